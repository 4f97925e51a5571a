"""Install it all once, as docs/deployment.md says: keys, repositories, the first system, the homeserver, the team."""

import json
import secrets
from pathlib import Path

from opsbot.demo.homeserver import configuration, register
from opsbot.standin.repositories import Repository
from tests.sshd import keygen
from tests.system import platform
from tests.system.debian import Debian, until
from tests.system.world import (
    FETCHING,
    SERVER,
    TEAM,
    URL,
    World,
    answers,
    bot_settings,
    host_settings,
    lock_of,
)

_KEYS = {
    "fetch-key": "etc/opsbot/fetch-key",
    "push-key": "etc/opsbot/push-key",
    "ssh-key": "etc/opsbot/secrets/ssh-key",
}
_SYNAPSE = "var/lib/matrix"
_PASSWORD = "a-password-of-the-test"


async def install(debian: Debian) -> None:
    """Make of a bare Debian the host that the stories begin with, and switch it off."""
    secret = secrets.token_hex(16)
    _keys(debian.root)
    _repositories(debian.root)
    _homeserver(debian.root, secret)
    debian.boot()
    _users(debian)
    _first_system(World(debian))
    debian.shut_down()
    debian.boot()
    await _team(debian, secret)
    until(lambda: debian.state("opsbot.service") == "active", "the bot is up")
    debian.shut_down()


def _keys(root: Path) -> None:
    public = {}
    for name, place in _KEYS.items():
        path = root / place
        path.parent.mkdir(mode=0o700 if "secrets" in place else 0o755, parents=True, exist_ok=True)
        public[name] = keygen(path)
        path.chmod(0o400)
    # A file, not a link into the store: sshd refuses one whose folder a group may write.
    (root / "etc/opsbot/authorized_keys").write_text(public["ssh-key"] + "\n")
    for user, keys in {"git": ("fetch-key", "push-key")}.items():
        (root / "etc/ssh/keys").mkdir()
        (root / "etc/ssh/keys" / user).write_text("".join(public[key] + "\n" for key in keys))
    (root / "etc/ssh/ssh_known_hosts").write_text(f"127.0.0.1 {_host_key(root)}\n")
    (root / "etc/ssh/sshd_config").write_text(platform.sshd_config())


def _host_key(root: Path) -> str:
    return " ".join((root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])


def _repositories(root: Path) -> None:
    folder = root / "srv/git"
    folder.mkdir(parents=True)
    texts = {
        "hello-bot": platform.hello_bot("1.0"),
        "opsbot": platform.opsbot(),
        "platform": platform.files(host_settings(), bot_settings(_host_key(root))),
    }
    for name, files in texts.items():
        Repository.create(folder / f"{name}.git").commit("Release 1.0", files)


def _homeserver(root: Path, secret: str) -> None:
    folder = root / _SYNAPSE
    folder.mkdir(parents=True)
    resources = [{"names": ["client"]}]
    listener = {"port": platform.ROOM_PORT, "bind_addresses": ["0.0.0.0"], "type": "http", "resources": resources}  # noqa: S104 - its own network
    inside = Path("/", _SYNAPSE)
    said = configuration(inside, server_name=SERVER, port=0, secret=secret, sync_cache="2m")
    said["listeners"] = [listener]
    said["log_config"] = None
    (folder / "homeserver.yaml").write_text(
        json.dumps({key: value for key, value in said.items() if value is not None})
    )
    (folder / "signing.key").write_text(f"ed25519 a_test {secrets.token_urlsafe(32)}\n")


def _users(debian: Debian) -> None:
    for name, shell, owns in (
        ("git", "/usr/bin/git-shell", "/srv/git"),
        ("matrix", "/usr/sbin/nologin", f"/{_SYNAPSE}"),
    ):
        debian.run("useradd", "--system", "--user-group", "--shell", shell, name)
        debian.run("chown", "--recursive", f"{name}:{name}", owns)


def _first_system(world: World) -> None:
    debian = world.debian
    world.change("Lock the inputs", {"flake.lock": lock_of(debian, "main")})
    flake = f"git+{platform.url('platform')}?ref=main#nixosConfigurations.{platform.HOST}.config.system.build.toplevel"
    debian.run(*FETCHING, "nix", "build", flake, "--out-link", "/srv/first", "--print-build-logs")
    system = debian.said("readlink", "-f", "/srv/first")
    debian.run("nix-env", "--profile", "/nix/var/nix/profiles/system", "--set", system)
    debian.run(f"{system}/bin/switch-to-configuration", "boot")


async def _team(debian: Debian, secret: str) -> None:
    until(lambda: debian.state("matrix-synapse.service") == "active", "the homeserver is up")
    assert await answers()
    for name in (*TEAM, "opsbot"):
        await register(URL, secret, name, _PASSWORD)
    put_room(debian)
    debian.run("room", "found", URL, SERVER, _PASSWORD, "/etc/opsbot/secrets/matrix-token")
    debian.run("chmod", "400", "/etc/opsbot/secrets/matrix-token")
    debian.run("systemctl", "restart", "opsbot.service")


def put_room(debian: Debian) -> None:
    """Give the host the program with which the team speaks in its room: the one of the NixOS test."""
    program = debian.root / "usr/local/bin/room"
    program.write_text("#!/usr/bin/python3 -I\n" + (platform.TOP / "nix/test/room.py").read_text())
    program.chmod(0o755)
