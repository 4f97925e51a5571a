import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from opsbot.standin import processes
from opsbot.standin.manager import Manager, UnitError
from opsbot.standin.paths import Layout
from opsbot.standin.show import properties
from tests.standin.console import eventually

_SLEEP = "ExecStart=/bin/sh -c 'echo up; exec sleep 600'\n"


@pytest_asyncio.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """Run a service manager without services."""
    layout = Layout(tmp_path)
    layout.units.mkdir(parents=True)
    (tmp_path / "etc/standin").mkdir()
    (tmp_path / "etc/standin/settings.json").write_text('{"host": "h"}')
    manager = Manager(layout)
    yield manager
    for name in list(manager.units):
        await manager.stop(name)


def service(manager: Manager, name: str, text: str) -> str:
    """Write a unit file."""
    (manager.layout.units / name).write_text(f"[Service]\n{text}")
    return name


def said(manager: Manager, unit: str) -> list[str]:
    """Return what the journal has of a unit."""
    return [entry["message"] for entry in manager.journal.read(unit, None)]


async def until(manager: Manager, unit: str, state: str) -> None:
    """Wait until a unit is in a state."""
    await eventually(lambda: properties(manager, unit)["ActiveState"] == state)


async def test_a_service_is_active_as_long_as_its_process_runs(manager: Manager) -> None:
    """It starts, its output goes to the journal, and it stops when asked."""
    unit = service(manager, "a.service", _SLEEP)
    await manager.start(unit)
    shown = properties(manager, unit)
    assert (shown["ActiveState"], shown["SubState"]) == ("active", "running")
    assert shown["ActiveEnterTimestamp"].startswith(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
    pid = int(shown["MainPID"])
    await eventually(lambda: "up" in said(manager, unit))
    await manager.stop(unit)
    assert pid not in {one.pid for one in processes.everything()}
    assert properties(manager, unit)["ActiveState"] == "inactive"
    assert said(manager, unit)[-3:] == [
        "Stopping a.service...",
        "a.service: Deactivated successfully.",
        "Stopped a.service.",
    ]


async def test_stopping_ends_all_that_a_service_began(manager: Manager) -> None:
    """Also a child that went away into a session of its own, and one that does not mind a SIGTERM."""
    mark = manager.layout.root / "pids"
    script = f"(trap '' TERM; exec setsid sleep 600) & echo $! > {mark}; exec sleep 600"
    unit = service(manager, "a.service", f'ExecStart=/bin/sh -c "{script}"\n')
    await manager.start(unit)
    await eventually(lambda: mark.exists() and mark.read_text())
    await manager.stop(unit)
    # Killed by then; who reaps it is not ours.
    await eventually(lambda: int(mark.read_text()) not in {one.pid for one in processes.everything()})


async def test_a_stubborn_service_is_killed_when_its_time_is_up(manager: Manager) -> None:
    """What ignores the SIGTERM is killed after TimeoutStopSec, and counts as failed."""
    unit = service(
        manager, "a.service", "TimeoutStopSec=100ms\nExecStart=/bin/sh -c \"trap '' TERM; while :; do sleep 1; done\"\n"
    )
    await manager.start(unit)
    await asyncio.sleep(0.1)
    await manager.stop(unit)
    assert properties(manager, unit)["Result"] == "timeout"
    assert [one.name for one in manager.failed()] == [unit]


async def test_a_service_that_dies_is_failed(manager: Manager) -> None:
    """The journal says how, and a reset forgets it."""
    unit = service(manager, "a.service", "ExecStart=/bin/sh -c 'echo oh no; exit 7'\n")
    await manager.start(unit)
    await until(manager, unit, "failed")
    assert [one.name for one in manager.failed()] == [unit]
    assert "oh no" in said(manager, unit)
    assert said(manager, unit)[-2:] == [
        "a.service: Main process exited, code=exited, status=7",
        "a.service: Failed with result 'exit-code'.",
    ]
    manager.units[unit].reset()
    assert manager.failed() == []


async def test_a_start_fails_when_the_service_never_says_that_it_is_ready(manager: Manager) -> None:
    """A Type=notify service that ends before READY=1 has not started."""
    unit = service(manager, "a.service", "Type=notify\nExecStart=/bin/sh -c 'exit 1'\n")
    with pytest.raises(UnitError, match="Job for a"):
        await manager.start(unit)
    assert said(manager, unit)[-1] == "Failed to start a.service."


async def test_a_program_that_is_not_there_fails_with_203(manager: Manager) -> None:
    """As in systemd, the exit status for what cannot be executed is 203."""
    unit = service(manager, "a.service", "ExecStart=/no/such/program\n")
    with pytest.raises(UnitError):
        await manager.start(unit)
    assert properties(manager, unit)["ExecMainStatus"] == "203"


async def test_a_restarting_service_tries_five_times(manager: Manager) -> None:
    """Restart=on-failure starts it again, until that is too quick for too long."""
    unit = service(manager, "a.service", "Restart=on-failure\nRestartSec=1ms\nExecStart=/bin/false\n")
    await manager.start(unit)
    await until(manager, unit, "failed")
    assert properties(manager, unit)["NRestarts"] == "4"
    assert said(manager, unit)[-1] == "a.service: Start request repeated too quickly."


async def test_a_waiting_restart_can_be_stopped(manager: Manager) -> None:
    """A unit that waits for its next try counts as failed, and a stop ends the waiting."""
    unit = service(manager, "a.service", "Restart=always\nRestartSec=1h\nExecStart=/bin/false\n")
    await manager.start(unit)
    await eventually(lambda: manager.units[unit].sub == "auto-restart")
    assert manager.units[unit].failed
    await manager.stop(unit)
    assert properties(manager, unit)["SubState"] == "dead"


async def test_a_oneshot_has_started_when_it_has_ended(manager: Manager) -> None:
    """Starting waits for its end; started twice at once it runs once, and later it may run again."""
    count = manager.layout.root / "count"
    unit = service(manager, "a@.service", f"Type=oneshot\nExecStart=/bin/sh -c 'echo %i >> {count}; sleep 0.05'\n")
    assert unit
    await asyncio.gather(manager.start("a@x.service"), manager.start("a@x.service"))
    assert count.read_text() == "x\n"
    await manager.start("a@x.service")
    assert count.read_text() == "x\nx\n"
    assert properties(manager, "a@x.service")["ActiveState"] == "inactive"


async def test_a_unit_that_collects_itself_does_not_stay_failed(manager: Manager) -> None:
    """CollectMode=inactive-or-failed keeps a failed job out of the list of failed units."""
    unit = service(manager, "a.service", "Type=oneshot\nCollectMode=inactive-or-failed\nExecStart=/bin/false\n")
    with pytest.raises(UnitError):
        await manager.start(unit)
    assert manager.failed() == []


async def test_what_runs_after_the_stop_hears_how_it_ended(manager: Manager) -> None:
    """ExecStopPost gets the result in its environment."""
    post = "ExecStopPost=/bin/sh -c 'echo $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS'\n"
    unit = service(manager, "a.service", "Type=oneshot\nExecStart=/bin/sh -c 'exit 3'\n" + post)
    with pytest.raises(UnitError):
        await manager.start(unit)
    assert "exit-code exited 3" in said(manager, unit)


async def test_output_may_go_to_a_file(manager: Manager) -> None:
    """StandardOutput=append:FILE keeps what was there and is not in the journal."""
    log = manager.layout.root / "log"
    log.write_text("before\n")
    append = f"StandardOutput=append:{log}\n"
    unit = service(manager, "a.service", f"Type=oneshot\n{append}ExecStart=/bin/echo after\n")
    await manager.start(unit)
    assert log.read_text() == "before\nafter\n"
    assert "after" not in said(manager, unit)


async def test_a_timer_fires_once_and_is_gone(manager: Manager) -> None:
    """A transient timer starts its service when its time has come; then both are forgotten."""
    mark = manager.layout.root / "fired"
    manager.transient("[Service]\nType=exec\n", ["/bin/touch", str(mark)], "late.service", 600)
    assert properties(manager, "late.timer")["SubState"] == "waiting"
    manager.skip(500)
    assert properties(manager, "late.timer")["ActiveState"] == "active"
    manager.skip(100)
    await eventually(lambda: mark.exists() and "late.service" not in manager.units)
    assert properties(manager, "late.timer")["LoadState"] == "not-found"
    assert properties(manager, "late.service")["LoadState"] == "not-found"


async def test_a_stopped_timer_never_fires(manager: Manager) -> None:
    """Disarmed is disarmed; the name is free again, and stopping it twice is refused."""
    manager.transient("", ["/bin/true"], "late.service", 600)
    with pytest.raises(UnitError, match="already loaded"):
        manager.transient("", ["/bin/true"], "late.service", 600)
    await manager.stop("late.timer")
    manager.skip(1000)
    with pytest.raises(UnitError, match="not loaded"):
        await manager.stop("late.timer")
    manager.transient("", ["/bin/true"], "late.service", 600)
    await manager.stop("late.timer")


async def test_a_unit_without_a_file_is_not_found(manager: Manager) -> None:
    """Starting what is not there is refused with systemctl's status 5."""
    with pytest.raises(UnitError) as refused:
        await manager.start("no.service")
    assert refused.value.status == 5
