import json
import os
from pathlib import Path

from opsbot.standin.machine import Machine
from tests.onhost.bench import ENDED, Bench

#: Names that a Python which looks into the folder that it was started in would take for its own.
MODULES = ("json.py", "sitecustomize.py", "usercustomize.py", "opsbot.py", "git.py")
#: Every program of a system that somebody may be tempted to ask.
_PROGRAMS = (
    "activate",
    "init",
    "dry-activate",
    "bin/switch-to-configuration",
    "sw/bin/nixos-version",
    "sw/bin/opsbot-host",
)


def trap(system: Path, marker: Path) -> None:
    """Put programs in place of a system's own that write down that they were run."""
    for name in _PROGRAMS:
        path = system / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "$0" >> {marker}\nexit 1\n')
        path.chmod(0o755)


async def test_nothing_of_the_new_system_runs_before_it_is_activated(
    machine: Machine, bench: Bench, tmp_path: Path
) -> None:
    """Building, planning and every question run nothing of the new tree and nothing of the new system."""
    marker = tmp_path / "was-run"
    module = f"open({str(marker)!r}, 'a').write(__file__ + chr(10))\n"
    machine.repositories.platform.commit("Modules of that name", dict.fromkeys(MODULES, module))
    built = await bench.prepare("job1", project="platform")
    assert built["status"] == "built"
    trap(Path(built["system"]), marker)

    await bench.ask("plan", job="job1")
    await bench.ask("preflight", project="platform")
    for verb in ("facts", "generations", "list", "newest"):
        await bench.ask(verb)
    await bench.lines("follow", b'{"job": "job1", "log": "prepare", "seconds": 1}')
    assert not marker.exists(), marker.read_text()

    await bench.ask("activate", job="job1", base=built["base"])
    await bench.until("job1", "activate", *ENDED)
    assert f"{built['system']}/bin/switch-to-configuration" in marker.read_text().splitlines()
    assert machine.running() == bench.default() == Path(built["base"])


async def test_the_name_of_a_unit_is_no_option(bench: Bench) -> None:
    """A unit of a built system whose name begins with a dash is asked about, and tells systemctl nothing."""
    built = await bench.prepare("job1")
    units = Path(built["system"]) / "etc/systemd/system"
    for name in ("-.mount", "--host=elsewhere.service"):
        (units / name).write_text("[Unit]\n")
    plan = await bench.ask("plan", job="job1")
    assert {"-.mount", "--host=elsewhere.service"} <= set(plan["foreign"])


async def test_a_file_whose_name_is_no_text_can_be_told(bench: Bench) -> None:
    """A name of a built system that is not UTF-8 is told with marks in place of what cannot be read."""
    built = await bench.prepare("job1")
    etc = Path(built["system"]) / "etc"
    (etc / os.fsdecode(b"caf\xe9")).write_text("x")
    (said,) = await bench.lines("plan", b'{"job": "job1"}')
    assert "etc/caf\ufffd" in said["result"]["foreign"]
    json.dumps(said, ensure_ascii=False).encode()
