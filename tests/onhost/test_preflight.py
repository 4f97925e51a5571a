import fcntl
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from opsbot.onhost import PROTOCOL, VERSION, units
from opsbot.onhost.config import parse
from opsbot.onhost.sections import ConfigError
from opsbot.onhost.trees import UNITS
from opsbot.standin.machine import Machine
from tests.onhost.bench import Bench, SaidNoError


async def problems(bench: Bench, **asked: Any) -> list[tuple[str, str]]:
    """Return what speaks against a deploy, by its word and its sentence."""
    return [(one["code"], one["message"]) for one in (await bench.ask("preflight", **asked))["problems"]]


async def test_a_host_that_is_well_has_nothing_against_a_deploy(bench: Bench) -> None:
    """A host that is well says so, with its clock, its limits and what it speaks, and writes nothing down."""
    found = await bench.ask("preflight", project="hello-bot")
    assert abs(found.pop("time") - time.time()) < 60
    assert found == {"version": VERSION, "protocol": PROTOCOL, "host": "ops-jrz1", "clock": 60, "problems": []}
    assert await problems(bench) == await problems(bench, project="platform") == []
    assert not list((bench.state / "requests").iterdir())
    with pytest.raises(SaidNoError, match="has no project shop"):
        await bench.ask("preflight", project="shop")


async def test_a_folder_with_too_little_room_is_named(bench: Bench) -> None:
    """A folder with less free space than the host's configuration wants is named, with what is free and what to do."""
    store = str(bench.machine.layout.store)
    free = os.statvfs(store).f_bavail * os.statvfs(store).f_frsize // 1024**2
    boot = bench.machine.root / "boot"
    bench.change(free={"/nix": 0, "/boot": 0, store: 10**9, str(boot): 10**9, "/nowhere": 5, str(bench.state): 0})
    (boot_code, boot_said), (code, said) = await problems(bench, project="hello-bot")
    assert (code, boot_code) == ("space", "space")
    assert said.startswith(f"`{store}` on `ops-jrz1` has ")
    assert abs(int(said.split(" has ")[1].split()[0]) - free) < 2048
    assert "a deploy wants 1000000000 MiB there: make room" in said
    assert f"`{boot}`" in boot_said
    assert "delete old generations" in boot_said


async def test_somebody_at_the_console_is_seen(machine: Machine, bench: Bench) -> None:
    """While a person's switch holds NixOS's lock, or its unit runs, the host says so; a job of ours is none of that."""
    machine.layout.switch_lock.parent.mkdir(exist_ok=True)
    with machine.layout.switch_lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ((code, said),) = await problems(bench, project="hello-bot")
        assert (code, said.partition(":")[0]) == (
            "switching",
            "Somebody at the console is switching `ops-jrz1` to another system",
        )
    assert await problems(bench) == []
    unit = "nixos-upgrade.service"
    await machine.ask("transient", unit=unit, text="[Service]\nType=exec\n", command=["/bin/sleep", "60"], after=None)
    ((code, said),) = await problems(bench)
    assert (code, said.partition(" is ")[0]) == ("switching", f"`{unit}`")
    await machine.ask("stop", unit=unit)
    await bench.waiting("job1")
    with machine.layout.switch_lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert await problems(bench) == []


async def test_a_failed_unit_that_a_project_needs_is_named(bench: Bench) -> None:
    """A failed unit that a project cannot do without is named; one that it does not need, and its own, are not."""
    for unit in ("nginx.service", "postgresql.service", "hello-bot.service"):
        os.kill(await bench.pid(unit), signal.SIGKILL)
    bench.change_project("hello-bot", needs=["postgresql.service", "conduwuit.service"])
    ((code, said),) = await problems(bench, project="hello-bot")
    assert code == "failed-unit"
    assert said.startswith("`postgresql.service` has failed on `ops-jrz1`, and hello-bot cannot be well without it")
    assert await problems(bench, project="web-shop") == await problems(bench, project="platform") == []


def test_what_a_unit_requires_is_read_from_its_files(tmp_path: Path) -> None:
    """What a unit cannot start without is in its file, its drop-ins and its links, and in those of what it requires."""
    folder = tmp_path / UNITS
    (folder / "a.service.d").mkdir(parents=True)
    (folder / "b.service.requires").mkdir()
    (folder / "a.service.wants").mkdir()
    (folder / "a.service").write_text("[Unit]\nWants=wanted.service\nPartOf=x.target\nRequires=b.service\n")
    (folder / "a.service.d/more.conf").write_text("[Unit]\nBindsTo=c.service d.service\n")
    (folder / "b.service").write_text("[Unit]\nRequisite=a.service\n")
    (folder / "b.service.requires/e.service").symlink_to("../e.service")
    (folder / "a.service.wants/f.service").symlink_to("../f.service")
    found = units.required(units.read_units(tmp_path), units.read_links(tmp_path, "requires"), ["a.service"])
    assert found == {"b.service", "c.service", "d.service", "e.service"}


async def test_what_is_held_is_not_built(machine: Machine, bench: Bench) -> None:
    """A build that would move a held project ends before Nix begins; one that leaves it alone goes on."""
    team = machine.repositories
    pins = {name: team.projects[name].head() for name in ("hello-bot", "web-shop")}
    team.pin(machine.store, "Take both", pins)
    held = await bench.prepare("job1", "platform", held=["hello-bot"])
    assert (held["status"], held["error"]["code"], held["held"]) == ("failed", "held", ["hello-bot"])
    assert held["error"]["message"] == "It would move hello-bot, on which there is a hold."
    assert "building" not in bench.log("job1", "prepare")
    assert (await bench.prepare("job2", "hello-bot", held=["web-shop"]))["status"] == "built"


async def test_a_request_of_an_older_helper_is_the_same_request(bench: Bench) -> None:
    """What a helper of before has written, without the arguments that came later, is still the same request."""
    first = await bench.prepare("job1")
    path = bench.state / "requests/job1.prepare.json"
    said = json.loads(path.read_text())
    del said["held"]
    asked_at = path.stat().st_mtime
    path.write_text(json.dumps(said))
    os.utime(path, (asked_at, asked_at))
    assert (await bench.ask("prepare", job="job1", project="hello-bot"))["prepare"] == first


_CONFIG = {"host": "ops-jrz1", "platform": {"url": "u"}, "projects": {"hello-bot": {"url": "u"}}}


def test_the_limits_have_defaults() -> None:
    """Store, boot partition and state have limits that nobody needs to name; one that is named replaces its default."""
    usual = parse(json.dumps(_CONFIG), Path("/x"))
    assert (usual.free, usual.clock) == ({"/nix": 1024, "/boot": 64, "/var/lib/opsbot": 64}, 60)
    changed = parse(json.dumps({**_CONFIG, "free": {"/boot": 0, "/srv": 9}, "state": "/s"}), Path("/x"))
    assert changed.free == {"/nix": 1024, "/boot": 0, "/s": 64, "/srv": 9}


@pytest.mark.parametrize("free", [3, {"boot": 3}, {"/boot": -1}, {"/boot": True}, {"/boot": "64"}, {"/boot": None}])
def test_limits_that_are_none_are_refused(free: Any) -> None:
    """A limit is a folder with a whole number of MiB; anything else is told with its place."""
    with pytest.raises(ConfigError, match="free"):
        parse(json.dumps({**_CONFIG, "free": free}), Path("/x"))
