import json
import shutil
import sys
import tracemalloc
from pathlib import Path

import pytest

from opsbot.model import Json
from opsbot.onhost import files
from opsbot.ssh import Address, SshHost
from tests.sshd import Sshd

pytestmark = pytest.mark.real

TOP = Path(__file__).parents[2]
MIB = 1024 * 1024
#: What the helper may have of memory of its own: far less than the log.
HELPER = 24 * MIB


def write_log(path: Path) -> list[str]:
    """Write a log of 200,000 lines, with one of 5 MB, bytes that are no text and colours; return its last lines."""
    with path.open("wb") as file:
        file.write(b"".join(b"compiling part %6d of 200000 %s\n" % (n, b"." * 100) for n in range(200_000)))
        file.write(b"x" * 5_000_000 + b"\n")
        file.write(bytes(range(256)) * 4000 + b"\n")
        file.write("zwölf \x1b[31m€\x1b[0m\nlast".encode() + b"\xc3")
    return ["zwölf \x1b[31m€\x1b[0m", "last\ufffd"]


def host_with_log(folder: Path) -> Path:
    """Make a host in a folder, with one build that has ended; return its configuration."""
    build = folder / "state/builds/job1"
    build.mkdir(parents=True)
    (folder / "state/requests").mkdir()
    (folder / "boot_id").write_text("one\n")
    files.write_json(folder / "state/requests/job1.prepare.json", {"job": "job1"})
    files.write_json(build / "result.json", {"status": "failed", "at": 4e9})
    said = {
        "host": "ops-jrz1",
        "state": str(folder / "state"),
        "boot_id": str(folder / "boot_id"),
        "platform": {"url": "file:///nowhere"},
    }
    (folder / "host.json").write_text(json.dumps(said))
    return folder / "host.json"


async def test_a_log_of_any_length_and_shape_takes_little_memory(tmp_path: Path) -> None:
    """A log of 28 MB, with a line of 5 MB and bytes that are no text, comes whole, and neither side keeps much."""
    config = host_with_log(tmp_path)
    log = tmp_path / "state/builds/job1/log"
    last = write_log(log)
    limit: list[str | Path] = [shutil.which("prlimit") or "prlimit", f"--data={HELPER}"]
    helper: list[str | Path] = [sys.executable, "-P", "-S", "-m", "opsbot.onhost", "--config", config, "ssh"]
    command: list[str | Path] = [*limit, "/usr/bin/env", f"PYTHONPATH={TOP}", *helper]
    with Sshd(folder=tmp_path / "sshd", command=command) as sshd:
        address = Address(
            address="127.0.0.1",
            port=sshd.port,
            user=sshd.user,
            key=sshd.client_key.read_text(),
            host_key=sshd.host_key,
        )
        host = SshHost("ops-jrz1", address, patience=60)
        offset, tail = 0, ""
        state: Json = None
        tracemalloc.start()
        try:
            async for line in host.follow("job1", "prepare", 0, seconds=300):
                if "text" in line:
                    assert line["offset"] == offset
                    offset, tail = line["next"], (tail + line["text"])[-200:]
                state = line.get("state")
            kept = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            await host.close()
    assert offset == log.stat().st_size
    assert tail.split("\n")[-2:] == last
    assert state["prepare"]["status"] == "failed"
    assert kept < 8 * MIB
