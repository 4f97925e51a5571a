import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

import opsbot
from opsbot.standin.machine import Machine
from tests.onhost.bench import ENDED, Bench, SaidNoError

UNIT = "opsbot-activate@job1.service"


async def _begin(bench: Bench) -> None:
    built = await bench.prepare("job1")
    await bench.ask("activate", job="job1", base=built["base"])


async def _kill(bench: Bench) -> None:
    os.kill(await bench.pid(UNIT), signal.SIGKILL)
    await bench.until("job1", "activate", "lost", "running")


async def test_nobody_confirms_and_the_host_goes_back(machine: Machine, bench: Bench) -> None:
    """When nobody confirms within the window, what ran before runs again and stays the default."""
    bench.change_project("hello-bot", window=1)
    before = machine.running()
    await _begin(bench)
    active = await bench.until("job1", "activate", *ENDED)
    assert (active["status"], active["why"]) == ("reverted", "Nobody confirmed within 1 s.")
    assert machine.running() == before == bench.default()


async def test_a_switch_leaves_profile_and_boot_loader_until_the_commit(machine: Machine, bench: Bench) -> None:
    """Until the commit, neither the profile nor the boot loader has moved, so that a reboot is the rollback."""
    before = machine.running()
    active = await bench.waiting("job1")
    assert machine.running() == Path(active["system"])
    assert bench.default() == before == machine.layout.boot_default.readlink()
    await machine.reboot()
    ended = await bench.until("job1", "activate", *ENDED)
    assert ended["status"] == "rebooted"
    assert machine.running() == before
    assert (await bench.ask("facts"))["job"] is None
    assert (await bench.waiting("job2"))["status"] == "waiting"


async def test_a_job_can_be_taken_back_while_it_waits(machine: Machine, bench: Bench) -> None:
    """`revert` takes a waiting job back, says why, and is not done twice; a confirmation then comes too late."""
    before = machine.running()
    await bench.waiting("job1")
    await bench.ask("revert", job="job1", reason="The bridge has fallen silent.")
    active = await bench.until("job1", "activate", *ENDED)
    assert (active["status"], active["why"]) == ("reverted", "The bridge has fallen silent.")
    assert machine.running() == before
    assert (await bench.ask("confirm", job="job1"))["activate"]["status"] == "reverted"
    assert (await bench.ask("revert", job="job1"))["activate"]["status"] == "reverted"


@pytest.mark.parametrize("killed", [False, True])
async def test_going_back_needs_nothing_of_the_new_helper(machine: Machine, bench: Bench, *, killed: bool) -> None:
    """A job is taken back by the helper that activated it, even when the new one can do nothing but answer."""
    before = machine.running()
    await bench.waiting("job1")
    helper = machine.running() / "sw/bin/opsbot-host"
    was = helper.resolve()
    helper.unlink()
    mark = machine.root / "new-helper"
    helper.write_text(f'#!/bin/sh\ncase "$*" in *" unit "*) touch {mark}; exit 1 ;; esac\nexec {was} "$@"\n')
    helper.chmod(0o755)
    if killed:
        await _kill(bench)
    await bench.ask("revert", job="job1")
    assert (await bench.until("job1", "activate", *ENDED))["status"] == "reverted"
    assert machine.running() == before
    assert not mark.exists()


async def test_every_dead_man_is_the_helper_of_before(machine: Machine, bench: Bench) -> None:
    """The second dead man, which is set after the switch, still runs the helper that was there before it."""
    before = machine.running()
    package = Path(machine.layout.store) / f"{'a' * 32}-opsbot-0.0.1"
    helper = package / "bin/opsbot-host"
    helper.parent.mkdir(parents=True)
    top = Path(opsbot.__file__ or "").parents[1]
    helper.write_text(
        f"#!{sys.executable} -S\nimport sys\nsys.path.insert(0, {str(top)!r})\n"
        "from opsbot.onhost.__main__ import main\nsys.exit(main())\n"
    )
    helper.chmod(0o755)
    shutil.copy(next(machine.layout.database.glob("*-opsbot-*.json")), machine.layout.database / f"{package.name}.json")
    program = before / "sw/bin/opsbot-host"
    program.unlink()
    program.symlink_to(helper)
    built = await bench.prepare("job1")
    new = Path(built["system"]) / "sw/bin/opsbot-host"
    new.unlink()
    new.write_text(f'#!/bin/sh\ncase "$*" in *" unit "*) exit 1 ;; esac\nexec {helper} "$@"\n')
    new.chmod(0o755)
    await bench.ask("activate", job="job1", base=built["base"])
    await bench.until("job1", "activate", "waiting", *ENDED)
    programs = program.parent.resolve()
    assert (bench.state / "jobs/job1/helper").readlink() == programs.parent
    assert f"exec {programs}/opsbot-host" in (bench.state / "jobs/job1/go-back").read_text()
    await _kill(bench)
    await machine.elapse(3600)
    assert (await bench.until("job1", "activate", *ENDED))["status"] == "reverted"
    assert machine.running() == before


async def test_cancel_takes_back_what_waits(machine: Machine, bench: Bench) -> None:
    """A job that is cancelled before its commit goes back."""
    before = machine.running()
    await bench.waiting("job1")
    await bench.ask("cancel", job="job1")
    active = await bench.until("job1", "activate", *ENDED)
    assert (active["status"], active["why"]) == ("reverted", "The job was cancelled.")
    assert machine.running() == before


async def test_cancel_stops_a_build(bench: Bench) -> None:
    """A build that is cancelled ends, and cannot be activated."""
    await bench.ask("prepare", job="job1", project="hello-bot", revision="slow")
    await bench.ask("cancel", job="job1")
    built = await bench.until("job1", "prepare", "cancelled", "built", "failed")
    assert built["status"] == "cancelled"


@pytest.mark.parametrize("confirmed", [False, True])
async def test_an_activation_that_was_killed_is_ended_by_asking_again(
    machine: Machine, bench: Bench, *, confirmed: bool
) -> None:
    """A waiting activation whose process was killed goes back when it is asked for again, confirmed or not."""
    before = machine.running()
    active = await bench.waiting("job1")
    if confirmed:
        os.kill(await bench.pid(UNIT), signal.SIGSTOP)
        await bench.ask("confirm", job="job1")
    await _kill(bench)
    await bench.ask("activate", job="job1", base=active["base"])
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["why"]) == ("reverted", "The activation was cut off (it was waiting).")
    assert machine.running() == before


async def test_an_activation_killed_while_it_switches_goes_back(machine: Machine, bench: Bench) -> None:
    """A switch that was cut off is undone by the dead man alone, with every service running again."""
    before = machine.running()
    machine.fail("switch-to-configuration", argument="test", status=0, after=300)
    await _begin(bench)
    await bench.hangs("switch-to-configuration")
    await _kill(bench)
    await machine.elapse(3600)
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["why"]) == ("reverted", "It did not end in time (it was activating).")
    assert machine.running() == before
    assert await machine.state("hello-bot.service") == "active"


async def test_an_activation_killed_before_it_touched_anything_begins_anew(bench: Bench, machine: Machine) -> None:
    """Killed while it was arming, an activation begins anew when it is asked for again."""
    machine.fail("systemd-run", status=1, after=300)
    await _begin(bench)
    await bench.hangs("systemd-run")
    await _kill(bench)
    await bench.ask("activate", job="job1", base=str(machine.running()))
    assert (await bench.until("job1", "activate", "waiting", *ENDED))["status"] == "waiting"


@pytest.mark.parametrize("by", ["asking again", "the dead man"])
async def test_a_commit_that_was_cut_off_is_finished(machine: Machine, bench: Bench, by: str) -> None:
    """What was confirmed is made the default even when its process was killed in between."""
    active = await bench.waiting("job1")
    machine.fail("switch-to-configuration", argument="boot", status=1, after=300)
    await bench.ask("confirm", job="job1")
    await bench.hangs("switch-to-configuration")
    await _kill(bench)
    if by == "asking again":
        await bench.ask("activate", job="job1", base=active["base"])
    else:
        await machine.elapse(3600)
    ended = await bench.until("job1", "activate", *ENDED)
    assert ended["status"] == "committed"
    assert machine.layout.boot_default.readlink() == bench.default() == machine.running() == Path(ended["system"])


async def test_a_reboot_within_a_commit_ends_in_one_of_the_two_systems(machine: Machine, bench: Bench) -> None:
    """A reboot after the profile moved and before the boot loader did leaves the former system, and says so."""
    before = machine.running()
    active = await bench.waiting("job1")
    machine.fail("switch-to-configuration", argument="boot", status=1, after=300)
    await bench.ask("confirm", job="job1")
    await bench.hangs("switch-to-configuration")
    await machine.reboot()
    await bench.until("job1", "activate", "lost")
    await bench.ask("activate", job="job1", base=active["base"])
    ended = await bench.until("job1", "activate", *ENDED)
    assert ended["status"] == "rebooted"
    assert machine.layout.boot_default.readlink() == bench.default() == machine.running() == before


async def test_a_boot_loader_that_cannot_be_set_takes_everything_back(machine: Machine, bench: Bench) -> None:
    """When the boot loader refuses the new system, profile, boot loader and services are as before."""
    before = machine.running()
    await bench.waiting("job1")
    machine.fail("boot-loader", status=1)
    await bench.ask("confirm", job="job1")
    ended = await bench.until("job1", "activate", *ENDED)
    assert ended["status"] == "reverted"
    assert "boot loader" in ended["why"]
    assert machine.layout.boot_default.readlink() == bench.default() == machine.running() == before


@pytest.mark.parametrize("code", [1, 3])
async def test_a_switch_that_fails_is_undone(machine: Machine, bench: Bench, code: int) -> None:
    """Any end of a switch but 0 and 4 takes the host back."""
    before = machine.running()
    machine.fail("switch-to-configuration", argument="test", status=code)
    ended = await bench.waiting("job1")
    assert (ended["status"], ended["code"]) == ("reverted", code)
    assert machine.running() == before


async def test_a_switch_that_died_half_way_is_resumed(machine: Machine, bench: Bench) -> None:
    """A switch that died after it stopped the services is run once more, which starts them."""
    machine.fail("switch-stopped", status=101)
    active = await bench.waiting("job1")
    assert (active["status"], active["code"]) == ("waiting", 0)
    assert await machine.state("hello-bot.service") == "active"


async def test_a_person_who_switches_by_hand_is_not_disturbed(machine: Machine, bench: Bench) -> None:
    """While a person holds the lock of switch-to-configuration, a deploy is refused and touches nothing."""
    before = machine.running()
    lock = machine.root / "run/nixos/switch-to-configuration.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ended = await bench.waiting("job1")
    assert (ended["status"], ended["error"]["code"]) == ("refused", "busy")
    assert machine.running() == before


async def test_going_back_leaves_alone_what_a_person_put_in_place(machine: Machine, bench: Bench) -> None:
    """When somebody switched to a third system meanwhile, going back does not undo that."""
    bench.change_project("hello-bot", window=2)
    await bench.waiting("job1")
    third = machine.layout.profile.with_name("system-29-link").readlink()
    machine.layout.running.unlink()
    machine.layout.running.symlink_to(third)
    ended = await bench.until("job1", "activate", *ENDED)
    assert ended["status"] == "stuck"
    assert machine.running() == third


async def test_who_cannot_list_the_units_after_going_back_has_gone_back(machine: Machine, bench: Bench) -> None:
    """A host that runs what it ran before is `reverted`, also when nobody could say afterwards what has failed."""
    before = machine.running()
    await bench.waiting("job1")
    machine.fail("switch-to-configuration", argument="test", status=1, after=2)
    await bench.ask("revert", job="job1")
    await bench.hangs("switch-to-configuration")
    machine.fail("systemctl", argument="list-units", status=1, says="Failed to list units: Connection timed out\n")
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], machine.running()) == ("reverted", before)
    assert "the failed units could not be read: Failed to list units: Connection timed out" in bench.log("job1")


async def test_one_job_holds_the_host(bench: Bench) -> None:
    """While one job waits, another one is told who holds the host."""
    await bench.waiting("job1")
    built = await bench.prepare("job2", "web-shop", revision="main")
    assert (await bench.ask("facts"))["job"] == "job1"
    with pytest.raises(SaidNoError) as refused:
        await bench.ask("activate", job="job2", base=built["base"])
    assert refused.value.code in ("busy", "not-ready", "base-moved")


async def test_an_activation_that_was_cut_off_holds_the_host_until_it_has_ended(bench: Bench) -> None:
    """A job that died before its end keeps others out until somebody goes back."""
    built = await bench.prepare("job2", revision="v1.0")
    assert built["status"] == "unchanged"
    await bench.waiting("job1")
    await _kill(bench)
    with pytest.raises(SaidNoError) as refused:
        await bench.ask("rollback", job="job3", base=str(bench.machine.running()), generation=30)
    assert (refused.value.code, refused.value.message) == ("busy", "Job job1 holds this host.")
    await bench.ask("revert", job="job1")
    assert (await bench.until("job1", "activate", *ENDED))["status"] == "reverted"
    assert (await bench.ask("facts"))["job"] is None


async def test_a_base_that_moved_is_noticed(bench: Bench) -> None:
    """What was prepared for another system than the one that runs is not activated."""
    first = await bench.prepare("job1")
    await bench.deploy("job2")
    with pytest.raises(SaidNoError) as refused:
        await bench.ask("activate", job="job1", base=first["base"])
    assert refused.value.code == "base-moved"
    assert (await bench.ask("state", job="job1"))["activate"] is None


async def test_a_unit_that_had_failed_before_is_no_reason_to_go_back(bench: Bench) -> None:
    """A unit that had failed before the deploy does not undo it."""
    os.kill(await bench.pid("nginx.service"), signal.SIGKILL)
    active = await bench.waiting("job1")
    assert (active["status"], active["failed_before"]) == ("waiting", ["nginx.service"])


async def test_a_service_that_does_not_answer_any_more_takes_the_deploy_back(machine: Machine, bench: Bench) -> None:
    """A project whose HTTP check held before and does not hold after the switch is taken back."""
    bench.change_project("hello-bot", http=[f"{machine.url('hello-bot')}"], settle=1)
    machine.repositories.projects["hello-bot"].commit("Sleep", {"README.md": "x"}, branch="sleep", onto="broken")
    before = machine.running()
    active = await bench.waiting("job1", revision="broken")
    assert active["status"] == "reverted"
    assert active["failed_units"][0]["unit"] == "hello-bot.service"
    assert active["failed_units"][0]["lines"]
    assert machine.running() == before


async def test_a_hung_switch_is_stopped_by_the_dead_man(machine: Machine, bench: Bench) -> None:
    """A switch that hangs is stopped and undone when its time is up."""
    before = machine.running()
    machine.fail("switch-to-configuration", argument="test", status=0, after=300)
    await _begin(bench)
    await bench.hangs("switch-to-configuration")
    await machine.elapse(3600)
    await bench.until("job1", "activate", "reverting")
    await machine.ask("stop", unit=UNIT)
    ended = await bench.until("job1", "activate", *ENDED)
    assert ended["status"] == "reverted"
    assert machine.running() == before
