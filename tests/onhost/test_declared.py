import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from opsbot import answers
from opsbot.onhost import PROTOCOL, VERSION
from opsbot.onhost.units import parse_unit, truth
from opsbot.onhost.verbs import VERBS

TOP = Path(__file__).parents[2]
UNITS = sorted((TOP / "nix/units").glob("*.service"))


def test_every_unit_of_the_table_is_declared() -> None:
    """For each unit that a verb starts there is a unit file, and no other."""
    assert {path.name for path in UNITS} == {f"{verb.unit}@.service" for verb in VERBS.values() if verb.unit}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_switch_leaves_our_own_units_alone(path: Path) -> None:
    """A switch neither restarts our units, nor stops them when they are removed, nor refuses to start them often."""
    unit = parse_unit(path.read_text())
    assert not truth(unit, "Service", "X-RestartIfChanged", default=True)
    assert not truth(unit, "Unit", "X-StopOnRemoval", default=True)
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Service"]["Type"] == ["oneshot"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_units(path: Path, tmp_path: Path) -> None:
    """The real systemd finds nothing wrong with the unit files."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("install systemd: apt-get install systemd")
    program = "/run/current-system/sw/bin/opsbot-host"
    (tmp_path / path.name).write_text(path.read_text().replace(program, "/bin/true"))
    argv = ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name.replace("@", "@job1"))]
    shutil.copy(tmp_path / path.name, tmp_path / path.name.replace("@", "@job1"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "opsbot" in line and "X-" not in line]
    assert ours == []


def test_the_bots_own_unit_is_not_the_hosts_user(tmp_path: Path) -> None:
    """The bot's unit has a user of its own and no secret in it, and systemd finds nothing wrong with it."""
    text = (TOP / "nix/bot/opsbot.service.in").read_text()
    unit = parse_unit(text)["Service"]
    # Without a name, a dynamic user is called as the unit: as the user that sshd and polkit know.
    assert unit["User"] == ["opsbot-bot"]
    assert unit["StateDirectory"] == ["opsbot-bot"]
    assert not truth(parse_unit(text), "Service", "X-StopIfChanged", default=True)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("install systemd: apt-get install systemd")
    path = tmp_path / "opsbot.service"
    path.write_text(text.replace("@opsbot@/bin/opsbot", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "opsbot" in line and "X-" not in line] == []


def test_the_bot_may_start_these_units_and_nothing_else() -> None:
    """The rule for polkit takes our units with a job's id, and nothing that only looks like one."""
    rule = (TOP / "nix/polkit/10-opsbot.rules").read_text()
    pattern = re.compile(rule.partition("/^")[2].partition("$/")[0].replace("\\.", "[.]"))
    assert pattern.fullmatch("opsbot-activate@job1.service")
    for name in (
        "cron.service",
        "opsbot-activate@../../x.service",
        "opsbot-activate@job1.service.d",
        "opsbot-x@job1.service",
    ):
        assert not pattern.fullmatch(name)
    assert 'subject.user !== "opsbot"' in rule
    assert 'action.lookup("verb") === "start"' in rule


def test_sshd_gives_the_bot_one_command_and_nothing_else(tmp_path: Path) -> None:
    """The real sshd reads our snippet as: one command, root's list of keys, no forwarding, no terminal."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if sshd is None:
        pytest.skip("install OpenSSH: apt-get install openssh-server")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    config = tmp_path / "sshd_config"
    config.write_text(f"HostKey {tmp_path}/key\n{(TOP / 'nix/ssh/opsbot.conf').read_text()}MaxAuthTries 3\n")

    def read(user: str) -> set[str]:
        argv = [sshd, "-T", "-f", str(config), "-C", f"user={user},host=h,addr=192.0.2.1"]
        return set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines())

    bot = read("opsbot")
    assert bot >= {
        "forcecommand /run/current-system/sw/bin/opsbot-host --config /etc/opsbot/host.json ssh",
        "authorizedkeysfile /etc/opsbot/authorized_keys",
        "authenticationmethods publickey",
        "disableforwarding yes",
        "permittty no",
        "permituserrc no",
    }
    assert "forcecommand none" in read("root")
    assert "maxauthtries 3" in read("root")


def test_the_documentation_has_every_verb() -> None:
    """The table in the documentation is the table in the code: verbs, arguments and units."""
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| .* \| (.*?) \|$", (TOP / "docs/host-protocol.md").read_text(), re.MULTILINE
    )
    documented = {name: (set(re.findall(r"`(\w+)`", arguments)), by) for name, arguments, by in rows if name in VERBS}
    assert set(documented) == set(VERBS)
    for name, verb in VERBS.items():
        arguments, by = documented[name]
        assert arguments == {argument.name for argument in verb.arguments}, name
        assert verb.unit is None or f"{verb.unit}@JOB" in by


def test_the_helper_has_the_bots_version() -> None:
    """Bot and helper are released together, and speak the same version of the protocol."""
    assert answers.PROTOCOL == PROTOCOL
    assert tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_the_helper_needs_nothing_but_python() -> None:
    """The helper imports the standard library and itself, so that it runs alone on a host."""
    for path in (TOP / "opsbot/onhost").glob("*.py"):
        names = re.findall(r"^(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE)
        assert not [name for name in names if name.startswith("opsbot") and not name.startswith("opsbot.onhost")]
