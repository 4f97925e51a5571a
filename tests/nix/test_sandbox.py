import re
import shutil
import subprocess
from pathlib import Path

import pytest

SERVICES = ("opsbot.service", "mautrix-slack.service")
#: More than this is exposed too much, as `systemd-analyze security` counts.
_MOST = 2.0


@pytest.fixture(scope="session")
def units(system: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units of the example host, with programs that are there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("install systemd: apt-get install systemd")
    place = tmp_path_factory.mktemp("root")
    folder = place / "etc/systemd/system"
    shutil.copytree(system / "etc/systemd/system", folder, symlinks=True)
    for path in folder.rglob("*.service"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o644)
            path.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(), flags=re.MULTILINE))
    return folder


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_nothing_wrong(units: Path, name: str) -> None:
    """The real systemd understands every line of the services that the modules make, with their drop-ins."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", units / name],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{units}:"},
    )
    assert [line for line in done.stderr.splitlines() if name in line and "X-" not in line] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked_in(units: Path, name: str) -> None:
    """`systemd-analyze security` counts less than 2.0 for the bot and for the bridge."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", units / name],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{units}:"},
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) < _MOST, done.stdout


def test_the_bot_outlives_what_it_does(units: Path) -> None:
    """The bot is restarted after an activation, keeps its memory, and is started again whatever happens."""
    text = (units / "opsbot.service").read_text() + (units / "opsbot.service.d/overrides.conf").read_text()
    for line in ("X-StopIfChanged=false", "StateDirectory=opsbot-bot", "StartLimitIntervalSec=0", "Restart=always"):
        assert f"\n{line}\n" in text
    assert "RestartPreventExitStatus" not in text
    assert (units / "multi-user.target.wants/opsbot.service").is_symlink()


def test_a_bridge_is_not_restarted_in_vain(units: Path) -> None:
    """Systemd starts a bridge again for ever, but for the exit codes of a configuration that no restart heals."""
    text = (units / "mautrix-slack.service").read_text()
    for line in ("StartLimitIntervalSec=0", "Restart=always", "RestartPreventExitStatus=10 11 12"):
        assert f"\n{line}\n" in text
