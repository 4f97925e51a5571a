import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.debian import THERE, Debian, until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def host(layers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """One booted host for all refusals."""
    place = tmp_path_factory.mktemp("host")
    with Debian(place, layers, place / "upper") as debian:
        debian.boot()
        until(lambda: debian.state("sshd.service") == "active", "sshd is up")
        yield debian
        debian.forget()


def ssh(host: Debian, *options: str, words: tuple[str, ...] = (), said: str = "") -> subprocess.CompletedProcess[str]:
    """Do with the bot's key what a thief would, from outside."""
    key = host.root / "etc/opsbot/secrets/ssh-key"
    known = host.root.parent / "known_hosts"
    known.write_text(f"{THERE} {(host.root / 'etc/ssh/ssh_host_ed25519_key.pub').read_text()}")
    argv = [
        "ssh", "-F", "none", "-i", str(key), "-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes",
        "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", *options, f"opsbot@{THERE}", *words,
    ]  # fmt: skip
    return subprocess.run(argv, input=said, capture_output=True, text=True, check=False, timeout=30)


def last(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the last line of an answer."""
    return json.loads(done.stdout.splitlines()[-1])


def test_a_stolen_key_speaks_the_verbs_and_nothing_else(host: Debian) -> None:
    """With the bot's key one gets the forced command: verbs are answered; there is no program, shell or file."""
    assert last(ssh(host, words=("facts",), said='{"units": ["sshd.service"]}'))["result"]["host"] == "ops-jrz1"
    for words in (("id",), ("sh", "-c", "id"), ("facts;id",), ("$(id)",), ("facts\nid",), ()):
        said = last(ssh(host, words=words))
        assert said["ok"] is False, words
        assert said["error"]["code"] == "bad-request", words
    assert "uid=" not in ssh(host, "-s", words=("sftp",)).stdout


def test_a_stolen_key_opens_no_tunnel_and_no_terminal(host: Debian) -> None:
    """There is no forwarding of ports, sockets, agents or screens, and no terminal, for the bot's key."""
    assert "forwarding failed" in ssh(host, "-R", "7777:127.0.0.1:22", words=("list",)).stderr
    tunnel = ssh(host, "-W", "127.0.0.1:8000")
    assert tunnel.returncode
    assert "administratively prohibited" in tunnel.stderr
    assert "PTY allocation request failed" in ssh(host, "-tt", words=("list",)).stderr


def test_other_ways_in_are_closed(host: Debian) -> None:
    """No password, no key of somebody else's, and no keys that the user could add lead in."""
    home = host.root / "home/opsbot/.ssh"
    home.mkdir(parents=True, exist_ok=True)
    other = host.root.parent / "other"
    if not other.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    (home / "authorized_keys").write_text(other.with_suffix(".pub").read_text())
    host.run("chown", "--recursive", "opsbot:opsbot", "/home/opsbot")
    known = host.root.parent / "known_hosts"
    argv = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-i", str(other)]
    done = subprocess.run([*argv, f"opsbot@{THERE}", "list"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


STARTED = ("opsbot-prepare@job1.service", "opsbot-activate@job1.service", "opsbot-publish@job1.service")


@pytest.mark.parametrize("unit", STARTED)
def test_the_bot_may_start_its_own_units(host: Debian, unit: str) -> None:
    """By polkit's rule the bot's user may start a unit of a job; what it does is for the host to decide."""
    done = host.run("systemctl", "start", "--no-block", unit, user="opsbot", check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bot_may_restart_what_the_host_lists(host: Debian) -> None:
    """The services of the host's list may be restarted, and they are."""
    before = host.said("systemctl", "show", "--property=MainPID", "hello-bot.service")
    assert host.run("systemctl", "restart", "hello-bot.service", user="opsbot").stderr == ""
    assert host.said("systemctl", "show", "--property=MainPID", "hello-bot.service") != before


REFUSED = (
    ("stop", "opsbot-activate@job1.service"),
    ("restart", "opsbot-activate@job1.service"),
    ("start", "opsbot-activate@JOB1.service"),
    ("start", "opsbot-activate@..-..-x.service"),
    ("start", "opsbot-activate@job1x.timer"),
    ("restart", "sshd.service"),
    ("stop", "hello-bot.service"),
    ("start", "debug-shell.service"),
    ("kill", "sshd.service"),
    ("set-property", "sshd.service", "MemoryMax=1"),
    ("reset-failed", "sshd.service"),
    ("mask", "sshd.service"),
    ("enable", "/srv/x.service"),
    ("daemon-reload",),
    ("daemon-reexec",),
    ("set-environment", "PATH=/tmp"),
    ("isolate", "rescue.target"),
    ("poweroff",),
)


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_polkit_refuses_everything_else(host: Debian, words: tuple[str, ...]) -> None:
    """The bot's user cannot stop, mask, kill or change a unit, start another, or tell systemd anything."""
    done = host.run("systemctl", "--no-ask-password", *words, user="opsbot", check=False)
    assert done.returncode
    assert "ccess denied" in done.stderr or "uthentication required" in done.stderr, done.stderr


def test_the_bot_cannot_run_a_unit_of_its_own(host: Debian) -> None:
    """`systemd-run` and the dead man's timer are root's."""
    done = host.run("systemd-run", "--no-ask-password", "--wait", "id", user="opsbot", check=False)
    assert done.returncode
    assert "uthentication required" in done.stderr


@pytest.mark.parametrize("user", ["opsbot", "opsbot-prepare", "opsbot-publish"])
def test_each_user_has_what_it_needs_and_no_more(host: Debian, user: str) -> None:
    """No user of the host's reads the keys, and each writes its own folder only."""
    own = {"opsbot": "requests", "opsbot-prepare": "builds", "opsbot-publish": "published"}
    for folder in ("requests", "builds", "published", "jobs"):
        done = host.run("touch", f"/var/lib/opsbot/{folder}/x", user=user, check=False)
        assert (done.returncode == 0) == (folder == own[user]), folder
    for secret in ("push-key", "fetch-key", "secrets/ssh-key", "secrets/matrix-token"):
        assert host.run("cat", f"/etc/opsbot/{secret}", user=user, check=False).returncode, secret
    assert host.run("touch", "/etc/opsbot/authorized_keys", user=user, check=False).returncode


def test_strangers_see_nothing_of_the_jobs(host: Debian) -> None:
    """Another user of the host does not come into the folder of requests, builds and jobs."""
    assert host.run("ls", "/var/lib/opsbot", user="git", check=False).returncode
    assert host.run("ls", "/var/lib/opsbot-bot/", user="opsbot", check=False).returncode
