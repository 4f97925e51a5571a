import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SAY = """
from opsbot import notify
notify.ready(); notify.watchdog(); notify.status("two jobs,\\nREADY=1"); notify.stopping()
print(notify.watchdog_seconds())
"""


def said(environ: dict[str, str], script: str = SAY) -> str:
    """Run the script in a process with this environment; return what it printed."""
    path = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": path} | environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_of_the_service(tmp_path: Path, abstract: bool) -> None:  # noqa: FBT001 - a table's column
    """Ready, alive, a line about what it does, and stopping reach systemd's socket, one message each."""
    name = f"@opsbot-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if abstract else name)
        systemd.settimeout(5)
        said({"NOTIFY_SOCKET": name})
        heard = [systemd.recv(4096).decode() for _ in range(4)]
    assert heard == ["READY=1", "WATCHDOG=1", "STATUS=two jobs, READY=1", "STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "vsock:2:1234", "@nobody-listens"])
def test_without_systemd_nothing_happens(address: str) -> None:
    """Where nobody listens, the bot works on."""
    assert said({"NOTIFY_SOCKET": address} if address else {}) == "None"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, "30.0"),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, "None"),
        ({"WATCHDOG_USEC": "0"}, "None"),
        ({"WATCHDOG_USEC": "soon"}, "None"),
    ],
)
def test_the_watchdogs_time_is_systemds(environ: dict[str, str], seconds: str) -> None:
    """How often to say "alive" is systemd's word, if it is meant for this process."""
    assert said(environ) == seconds
