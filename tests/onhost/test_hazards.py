import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.onhost import hazards
from opsbot.onhost.hazards import Hazard, is_older
from opsbot.onhost.trees import UNITS
from opsbot.standin import samples
from opsbot.standin.machine import Machine
from tests.onhost.bench import ENDED, Bench

HASH = "0123456789abcdfghijklmnpqrsvwxyz"


def _system(top: Path, **programs: str) -> Path:
    """Make a system whose units run these programs of the store, `_` for `-` in a unit's name."""
    (top / UNITS).mkdir(parents=True)
    for unit, program in programs.items():
        text = f"[Service]\nExecStart=-/nix/store/{HASH}-{program} --serve\n"
        (top / UNITS / f"{unit.replace('_', '-')}.service").write_text(text)
    return top


CROSSINGS = [
    ("postgresql-15.10/bin/postgres", "postgresql-16.4/bin/postgres", ("PostgreSQL", "15.10", "16.4", False)),
    ("postgresql-and-plugins-16.4/bin/postgres", "postgresql-and-plugins-15.10/bin/postgres",
     ("PostgreSQL", "16.4", "15.10", True)),
    ("postgresql-15.9/bin/postgres", "postgresql-15.10/bin/postgres", None),
    ("postgresql-15.9/bin/pg_dump", "postgresql-16.4/bin/pg_dump", None),
    ("forgejo-lts-7.0.12/bin/gitea", "forgejo-8.0.3/bin/forgejo",
     ("Forgejo", "forgejo-lts 7.0.12", "forgejo 8.0.3", None)),
    ("forgejo-7.0.12/bin/forgejo", "forgejo-8.0.3/bin/forgejo", ("Forgejo", "7.0.12", "8.0.3", False)),
    ("forgejo-7.0.12/bin/forgejo", "forgejo-7.0.13/bin/forgejo", None),
    ("conduwuit-0.5.0-rc.8/bin/conduwuit", "conduwuit-0.5.0/bin/conduwuit",
     ("the homeserver", "0.5.0-rc.8", "0.5.0", False)),
    ("matrix-synapse-wrapped-1.120.0/bin/synapse_homeserver", "matrix-synapse-wrapped-1.98.0/bin/synapse_homeserver",
     ("the homeserver", "1.120.0", "1.98.0", True)),
    ("conduwuit-0.4.6/bin/conduwuit", "matrix-tuwunel-1.4.0/bin/tuwunel",
     ("the homeserver", "conduwuit 0.4.6", "matrix-tuwunel 1.4.0", None)),
    ("hello-bot-1.0/bin/hello-bot", "hello-bot-2.0/bin/hello-bot", None),
]  # fmt: skip


def test_a_unit_full_of_slashes_is_read_like_any_other(tmp_path: Path) -> None:
    """What a project writes into a unit does not keep the host busy for hours."""
    for name in ("old", "new"):
        (tmp_path / name / UNITS).mkdir(parents=True)
        (tmp_path / name / UNITS / "x.service").write_text(f"[Service]\nExecStart={'/' * 100_000}\n")
    assert hazards.databases(tmp_path / "old", tmp_path / "new") == []


@pytest.mark.parametrize(("old", "new", "told"), CROSSINGS)
def test_a_version_that_moves_a_database_is_told(
    tmp_path: Path, old: str, new: str, told: tuple[str, str, str, bool | None] | None
) -> None:
    """PostgreSQL's first number, Forgejo's first two and a homeserver's whole version tell that a database moves."""
    found = hazards.databases(_system(tmp_path / "old", main=old), _system(tmp_path / "new", main=new))
    assert [(one.what, one.old, one.new, one.back) for one in found] == ([told] if told else [])


def test_a_homeserver_that_takes_the_place_of_another_is_told(tmp_path: Path) -> None:
    """A unit that goes and one that comes are the same service when both keep a homeserver's database."""
    old = _system(tmp_path / "old", conduwuit="conduwuit-0.4.6/bin/conduwuit")
    new = _system(tmp_path / "new", tuwunel="tuwunel-1.4.0/bin/tuwunel")
    (found,) = hazards.databases(old, new)
    assert (found.old, found.new) == ("conduwuit 0.4.6", "tuwunel 1.4.0")


def test_what_comes_for_the_first_time_is_no_hazard(tmp_path: Path) -> None:
    """A service that was not there before has no database that could be migrated."""
    old, new = _system(tmp_path / "old"), _system(tmp_path / "new", forgejo="forgejo-8.0.3/bin/forgejo")
    assert hazards.databases(old, new) == []


def test_the_program_of_a_script_is_found(tmp_path: Path) -> None:
    """Where a unit runs a script, the program that the script names counts; files that are no scripts are not read."""
    systems = []
    for version in ("7.0.12", "8.0.3"):
        script = tmp_path / f"{HASH}-unit-script-forgejo-start-{version}/bin/forgejo-start"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\nexec /nix/store/{HASH}-forgejo-{version}/bin/forgejo web\n")
        system = _system(tmp_path / version)
        (system / UNITS / "forgejo.service").write_text(f"[Service]\nExecStart={script}\n")
        systems.append(system)
    (found,) = hazards.databases(*systems)
    assert (found.old, found.new) == ("7.0.12", "8.0.3")
    script.write_bytes(b"\x7fELF" + script.read_bytes())
    assert hazards.databases(*systems) == []


def test_another_kernel_than_the_booted_one_is_told(tmp_path: Path) -> None:
    """A kernel is a hazard when it is not the one that was booted, by the file that it is."""
    for name, version in (("a", "6.6.68"), ("b", "6.12.1"), ("same", "6.6.68")):
        image = tmp_path / f"linux-{version}/bzImage"
        image.parent.mkdir(exist_ok=True)
        image.touch()
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel").symlink_to(image)
    told = Hazard(kind="kernel", what="the kernel", old="6.6.68", new="6.12.1", back=None)
    assert hazards.kernel(tmp_path / "a", tmp_path / "b") == [told]
    assert hazards.kernel(tmp_path / "a", tmp_path / "same") == []
    assert hazards.kernel(tmp_path / "nowhere", tmp_path / "b") == []


@pytest.mark.parametrize(
    ("older", "newer"),
    [("7.0.9", "7.0.12"), ("0.5.0-rc.8", "0.5.0"), ("0.5.0-rc.8", "0.5.0-rc.10"), ("1.2", "1.2.1"), ("9.6", "10.1")],
)
def test_versions_are_ordered_as_people_order_them(older: str, newer: str) -> None:
    """Numbers count as numbers, and a release comes after its candidates."""
    assert is_older(older, newer)
    assert not is_older(newer, older)


@given(st.text("0123456789.-rcalph", max_size=12), st.text("0123456789.-rcalph", max_size=12))
def test_of_two_versions_at_most_one_is_older(one: str, other: str) -> None:
    """No two versions are each older than the other."""
    assert not (is_older(one, other) and is_older(other, one))


async def _platform(machine: Machine, bench: Bench, subject: str, **more: str) -> None:
    """Commit a platform whose Forgejo is 8.0.3, all projects pinned as they run."""
    pins = (await bench.ask("facts"))["pins"]
    newer = samples.SERVICES | {"forgejo": samples.SERVICES["forgejo"] | {"version": "8.0.3"}}
    machine.repositories.pin(machine.store, subject, pins, services=newer, days_ago=0.0, **more)


async def test_a_plan_names_what_going_back_will_not_undo(machine: Machine, bench: Bench) -> None:
    """The plan of a deploy names the database that migrates; that of a rollback names what does not go back."""
    await _platform(machine, bench, "Forgejo 8 and a kernel", kernel="6.12.1")
    await bench.deploy("job1", project="platform")
    plan = await bench.ask("plan", job="job1")
    there = {(one["kind"], one["old"], one["new"], one["back"]) for one in plan["hazards"]}
    assert there == {("database", "7.0.12", "8.0.3", False), ("kernel", "6.6.68", "6.12.1", None)}
    assert plan["reboot_needed"]
    back = await bench.ask("plan", generation=31)
    # The kernel that was booted is still the one of generation 31.
    assert [(one["what"], one["old"], one["new"], one["back"]) for one in back["hazards"]] == [
        ("Forgejo", "8.0.3", "7.0.12", True)
    ]
    assert not back["reboot_needed"]
    await machine.reboot()
    assert {one["what"] for one in (await bench.ask("plan", generation=31))["hazards"]} == {"Forgejo", "the kernel"}


NEVER = "this host's configuration says of hello-bot: never by itself"


async def test_a_project_that_is_never_undone_by_itself_waits_for_a_word(machine: Machine, bench: Bench) -> None:
    """A failed proof leaves such a project running; with a word it stays, is the default, and is not proved."""
    bench.change_project("hello-bot", undo=False, settle=1)
    active = await bench.waiting("job1", revision="broken")
    assert (active["status"], active["keeps"]) == ("waiting", NEVER)
    assert active["faults"][0] == "hello-bot.service has failed"
    assert active["failed_units"][0]["unit"] == "hello-bot.service"
    assert machine.running() == Path(active["system"])
    await bench.ask("confirm", job="job1", despite="hello-bot.service has failed")
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["proved"], ended["why"]) == ("committed", False, "hello-bot.service has failed")
    assert machine.running() == bench.default() == machine.layout.boot_default.readlink()
    rows = {row["generation"]: row for row in await bench.ask("generations")}
    assert not rows[ended["generation"]]["proved"]


async def test_a_person_can_undo_what_is_never_undone_by_itself(machine: Machine, bench: Bench) -> None:
    """Whoever asks for it takes back what does not go back by itself."""
    before = machine.running()
    bench.change_project("hello-bot", undo=False, settle=1)
    await bench.waiting("job1", revision="broken")
    await bench.ask("revert", job="job1", reason="Ana says so.")
    assert (await bench.until("job1", "activate", *ENDED))["status"] == "reverted"
    assert machine.running() == before


@pytest.mark.parametrize("dies", [False, True])
async def test_silence_does_not_undo_what_is_never_undone_by_itself(
    machine: Machine, bench: Bench, *, dies: bool
) -> None:
    """When nobody confirms, such a project stays, unproved; so it does when its process died and the dead man comes."""
    bench.change_project("hello-bot", undo=False, window=300 if dies else 1)
    built = await bench.prepare("job1")
    await bench.ask("activate", job="job1", base=built["base"])
    if dies:
        await bench.until("job1", "activate", "waiting")
        os.kill(await bench.pid("opsbot-activate@job1.service"), signal.SIGKILL)
        await bench.until("job1", "activate", "lost")
        await machine.elapse(3600)
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["proved"]) == ("committed", False)
    assert ended["why"].startswith("Nobody confirmed")
    assert machine.running() == bench.default() == Path(ended["system"])


async def test_silence_undoes_what_touches_more_than_such_a_project(machine: Machine, bench: Bench) -> None:
    """A deploy that touches the platform too is undone when nobody can reach the host any more."""
    bench.change_project("hello-bot", undo=False, window=1)
    hello = machine.repositories.projects["hello-bot"].head()
    pins = {**(await bench.ask("facts"))["pins"], "hello-bot": hello}
    newer = samples.SERVICES | {"nginx": samples.SERVICES["nginx"] | {"version": "1.27.0"}}
    machine.repositories.pin(machine.store, "nginx", pins, services=newer)
    built = await bench.prepare("job1", "platform")
    bench.change_project("web-shop", window=1)
    await bench.ask("activate", job="job1", base=built["base"])
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["keeps"]) == ("reverted", NEVER)


async def test_a_switch_that_fails_is_undone_in_any_case(machine: Machine, bench: Bench) -> None:
    """A host is not left half-way: what could not be switched goes back, also for such a project."""
    before = machine.running()
    bench.change_project("hello-bot", undo=False)
    machine.fail("switch-to-configuration", argument="test", status=1)
    assert (await bench.waiting("job1"))["status"] == "reverted"
    assert machine.running() == before


MIGRATED = "the older version may not read a database that was migrated (Forgejo, 7.0.12 → 8.0.3)"


async def _migrating(machine: Machine, bench: Bench, **nginx: object) -> None:
    """Activate a platform whose Forgejo is 8.0.3, and whose nginx differs in NGINX."""
    pins = (await bench.ask("facts"))["pins"]
    forgejo = samples.SERVICES["forgejo"] | {"version": "8.0.3"}
    services = samples.SERVICES | {"forgejo": forgejo, "nginx": samples.SERVICES["nginx"] | nginx}
    machine.repositories.pin(machine.store, "Forgejo 8", pins, services=services)
    built = await bench.prepare("job1", "platform")
    await bench.ask("activate", job="job1", base=built["base"])


async def test_a_failed_proof_does_not_put_an_old_version_over_a_migrated_database(
    machine: Machine, bench: Bench
) -> None:
    """What has migrated a database stays when its proof fails and somebody can be told, and is not proved."""
    bench.change(migration=4)
    await _migrating(machine, bench, exits=3)
    active = await bench.until("job1", "activate", "waiting", *ENDED, within=300)
    assert (active["status"], active["keeps"], active["alone"]) == ("waiting", MIGRATED, False)
    assert active["faults"] == ["nginx.service has failed"]
    await bench.ask("confirm", job="job1")
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["proved"]) == ("committed", False)


async def test_a_host_that_nobody_reaches_goes_back_over_a_migrated_database(machine: Machine, bench: Bench) -> None:
    """When nobody confirms, the host goes back all the same, and tells which database was migrated."""
    before = machine.running()
    for name in ("hello-bot", "web-shop"):
        bench.change_project(name, window=1)
    await _migrating(machine, bench)
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["why"]) == ("reverted", "Nobody confirmed within 1 s.")
    assert ended["migrated"] == "Forgejo, 7.0.12 → 8.0.3"
    assert machine.running() == before


async def test_an_activation_over_a_database_that_was_cut_off_stays_when_it_is_asked_for_again(
    machine: Machine, bench: Bench
) -> None:
    """Whoever asks for it again can be told, so it stays, not proved."""
    await _migrating(machine, bench)
    active = await bench.until("job1", "activate", "waiting", *ENDED)
    os.kill(await bench.pid("opsbot-activate@job1.service"), signal.SIGKILL)
    await bench.until("job1", "activate", "lost")
    await bench.ask("activate", job="job1", base=active["base"])
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["proved"]) == ("committed", False)
    assert ended["why"] == "The activation was cut off (it was waiting)."
