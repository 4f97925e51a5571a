import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from opsbot.config import load
from opsbot.onhost.config import load as load_host
from opsbot.onhost.trees import DERIVED
from tests.nix.evaluator import TOP, Evaluator
from tests.nix.whole import BOT, HOST, system_with


def test_the_whole_that_tests_change_is_a_system(nix: Evaluator) -> None:
    """A host with what the modules ask for and nothing else is built."""
    assert (nix.build(f"{system_with()}.system.build.toplevel") / "etc/opsbot/host.json").is_file()


def test_the_example_is_a_system_of_no_warnings(nix: Evaluator, system: Path) -> None:
    """The example host ops-jrz1 is built, and nothing about it is to be warned of."""
    config = "outputs.nixosConfigurations.ops-jrz1.config"
    assert nix.value(f"{config}.warnings") == []
    assert {path.name for path in (system / "etc/systemd/system").glob("*.service")} >= {
        "mautrix-slack.service",
        "opsbot.service",
        *(path.name for path in (TOP / "nix/units").glob("*.service")),
    }


def test_the_example_is_a_configuration_of_bot_and_host(system: Path) -> None:
    """What the example host tells its bot and its helper is what these take."""
    bot = load(system / "etc/opsbot/config.yaml", {})
    host = load_host(system / "etc/opsbot/host.json")
    assert bot.homeserver.user == "@opsbot:clarun.xyz"
    assert list(bot.hosts) == [host.host] == ["ops-jrz1"]
    assert bot.bridge is not None
    assert bot.bridge.team == "T0TEAM"
    checked = {unit for one in (*host.services.values(), *host.projects.values()) for unit in one.units}
    assert {one.unit for one in bot.services.values()} <= checked


def test_the_files_of_the_host_go_in_as_they_are(system: Path) -> None:
    """Units, rules, folders and the way in are those of the repository; only the list of restarts is filled in."""
    pairs = {
        "etc/systemd/system": TOP / "nix/units",
        "etc/tmpfiles.d": TOP / "nix/tmpfiles",
        "etc/polkit-1/rules.d": TOP / "nix/polkit",
    }
    for place, folder in pairs.items():
        for source in (path for path in folder.iterdir() if path.suffix != ".in"):
            assert (system / place / source.name).read_text() == source.read_text(), source.name
    sshd = (system / "etc/ssh/sshd_config").read_text()
    assert sshd.endswith((TOP / "nix/ssh/opsbot.conf").read_text() + "\n")
    rules = (system / "etc/polkit-1/rules.d/11-opsbot-restart.rules").read_text()
    listed = re.search(r"var units = (.*);", rules)
    assert listed is not None
    assert json.loads(listed[1]) == ["forgejo.service", "mautrix-slack.service", "nginx.service"]


def test_sshd_lets_in_whom_the_platform_means(system: Path, tmp_path: Path) -> None:
    """The real sshd takes the bot's keys from root's list, those of who pushes from Forgejo's, and nobody else's."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if sshd is None:
        pytest.skip("install OpenSSH: apt-get install openssh-server")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    config = tmp_path / "sshd_config"
    config.write_text(f"HostKey {tmp_path}/key\n{(system / 'etc/ssh/sshd_config').read_text()}")

    def keys(user: str) -> str:
        argv = [sshd, "-T", "-f", str(config), "-C", f"user={user},host=h,addr=192.0.2.1"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        [line] = [line for line in said.splitlines() if line.startswith("authorizedkeysfile ")]
        return line.partition(" ")[2]

    assert keys("opsbot") == "/etc/opsbot/authorized_keys"
    assert keys("forgejo") == "/var/lib/forgejo/.ssh/authorized_keys"
    assert keys("root") not in (keys("opsbot"), keys("forgejo"))


def test_sshd_gets_a_file_of_keys(system: Path) -> None:
    """The bot's keys are a file that only root can write: sshd takes no link into a folder that others may write."""
    keys = system / "etc/opsbot/authorized_keys"
    assert not keys.is_symlink()
    assert stat.S_IMODE(keys.stat().st_mode) == 0o444
    assert keys.read_text().endswith(" opsbot\n")


def test_the_users_are_those_of_units_and_folders(nix: Evaluator) -> None:
    """Every user and group that a unit or a folder names is made; the one that runs checks is in no group of ours."""
    config = "outputs.nixosConfigurations.ops-jrz1.config"
    users, groups = nix.value(f"{config}.users.users"), set(nix.value(f"builtins.attrNames {config}.users.groups"))
    units = "".join(path.read_text() for path in (TOP / "nix/units").iterdir())
    folders = [line.split() for line in (TOP / "nix/tmpfiles/opsbot.conf").read_text().splitlines() if line[0] == "d"]
    named = {*re.findall(r"^User=(.*)$", units, re.MULTILINE), *(row[3] for row in folders)} - {"root"}
    assert named | {"opsbot-check"} <= users.keys()
    assert {*re.findall(r"^Group=(.*)$", units, re.MULTILINE), *(row[4] for row in folders)} - {"root"} <= groups
    assert users["opsbot"]["shell"] == "/bin/sh"
    assert set(users["opsbot"]["extraGroups"]) == {"opsbot-state", "systemd-journal"}
    assert users["opsbot-check"]["extraGroups"] == []
    assert all(user["isSystemUser"] for name, user in users.items() if name != "root")


def test_a_projects_pin_is_no_change_to_the_platform(system: Path) -> None:
    """The module writes the pins where a plan expects them, so that a deploy of a project touches nothing else."""
    assert all((system / name).exists() for name in DERIVED)


def test_secrets_are_only_named(nix: Evaluator, system: Path) -> None:
    """The bot is handed files of sops, by the names of its settings, and the example's list of secrets is complete."""
    drop_in = (system / "etc/systemd/system/opsbot.service.d/overrides.conf").read_text()
    handed = re.findall(r"^LoadCredential=(.*)$", drop_in, re.MULTILINE)
    # The first takes back what stands in the unit itself.
    assert handed[0] == ""
    assert dict(line.split(":") for line in handed[1:]) == {
        "bridge-secret": "/run/secrets/mautrix-slack-provisioning-secret",
        **{name: f"/run/secrets/opsbot-{name}" for name in ("forge-token", "matrix-token", "slack-app-token")},
        **{name: f"/run/secrets/opsbot-{name}" for name in ("slack-bot-token", "ssh-key")},
    }
    secrets = nix.value("builtins.attrNames outputs.nixosConfigurations.ops-jrz1.config.sops.secrets")
    assert secrets == sorted(yaml.safe_load((TOP / "nix/example/secrets.yaml").read_text()))


_HANDED = '{ services.opsbot.credentials = { matrix-token = "/srv/matrix-token"; ssh-key = "/srv/ssh-key"; }; }'


@pytest.mark.parametrize(
    ("module", "said", "files"),
    [
        ("host", (HOST,), {"host.json", "pins.json", "authorized_keys"}),
        ("opsbot", (BOT, _HANDED), {"config.yaml"}),
        ("default", (HOST, BOT, _HANDED), {"config.yaml", "host.json", "pins.json", "authorized_keys"}),
    ],
)
def test_bot_and_host_need_nothing_else(nix: Evaluator, module: str, said: tuple[str, ...], files: set[str]) -> None:
    """The modules of bot and host, alone or together, make a system without the platform's and without sops."""
    inside = "".join(f"({one})" for one in said)
    one = f"nixosSystem {{ modules = [ outputs.nixosModules.{module} {inside} ]; }}"
    system = nix.build(f"({one}).config.system.build.toplevel")
    assert {path.name for path in (system / "etc/opsbot").iterdir()} == files


def test_a_changed_configuration_is_a_changed_unit(nix: Evaluator) -> None:
    """The bot is restarted when its configuration is another, and only then."""
    triggers = "systemd.services.opsbot.restartTriggers"
    same, other = '{ networking.hostName = "other"; }', '{ services.opsbot.settings.prefix = "?"; }'
    first, second, third = (
        nix.value(f"map toString {system_with(*more)}.{triggers}") for more in ((), (same,), (other,))
    )
    assert first == second != third


def test_a_project_is_an_input_and_a_module(nix: Evaluator) -> None:
    """The template's module tells host and bot all that there is to know: repository, unit, pin, service and secret."""
    name, rev = "chochacho-hello-bot", "b" * 40
    flake = '(import (top + "/nix/templates/project/flake.nix")).outputs'
    config = system_with(f'({flake} {{ nixpkgs = nixpkgs; self.rev = "{rev}"; }}).nixosModules.default')
    system = nix.build(f"{config}.system.build.toplevel")
    host, bot = load_host(system / "etc/opsbot/host.json"), load(system / "etc/opsbot/config.yaml", {})
    assert host.projects[name].remote.url == f"https://git.ops.test/team/{name}.git"
    assert host.projects[name].units == (f"{name}.service",)
    assert host.restart == (f"{name}.service",)
    assert json.loads((system / "etc/opsbot/pins.json").read_text()) == {name: rev}
    assert bot.projects[name].host == host.host
    assert bot.services[name].unit == f"{name}.service"
    assert (system / f"etc/systemd/system/{name}.service").is_file()
    assert nix.value(f"{config}.sops.secrets.{name}-token.path") == f"/run/secrets/{name}-token"


def test_opsbot_is_a_project_of_its_own_platform(system: Path) -> None:
    """With its default module opsbot is deployed by its name: its unit is its own, and what runs of it is pinned."""
    host, bot = load_host(system / "etc/opsbot/host.json"), load(system / "etc/opsbot/config.yaml", {})
    assert host.projects["opsbot"].units == ("opsbot.service",)
    assert host.projects["opsbot"].remote.url == "ssh://forgejo@git.clarun.xyz/team/opsbot.git"
    assert list(json.loads((system / "etc/opsbot/pins.json").read_text())) == list(bot.projects) == ["opsbot"]
