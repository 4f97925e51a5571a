import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from opsbot.standin import samples
from opsbot.standin.machine import Machine
from tests.onhost.bench import ENDED, Bench, SaidNoError

UNIT = "opsbot-activate@job1.service"


async def _platform(machine: Machine, bench: Bench, **more: Any) -> None:
    """Commit a platform to main that differs in some keys, all projects pinned as they run."""
    pins = (await bench.ask("facts"))["pins"]
    machine.repositories.pin(machine.store, "Another platform", pins, **more)


async def _staged(machine: Machine, bench: Bench, **more: Any) -> Any:
    """Make a platform with another kernel the default of the next boot; return the activation's state."""
    await _platform(machine, bench, kernel="6.12.1", **more)
    built = await bench.prepare("job1", "platform")
    await bench.ask("activate", job="job1", base=built["base"], boot=True)
    return await bench.until("job1", "activate", *ENDED, "waiting")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"init": "systemd 3"}, "Its init cannot take over from the one that runs: that takes a reboot."),
        (
            {"inhibitors": {"dbus-implementation": "broker"}},
            "NixOS does not switch to it while the host runs (dbus-implementation :  -> broker): that takes a reboot.",
        ),
    ],
)
async def test_what_cannot_be_switched_to_is_refused_and_touches_nothing(
    machine: Machine, bench: Bench, change: dict[str, Any], says: str
) -> None:
    """A system that cannot be switched to is not activated, and the reason says that it takes a reboot."""
    before, pid = machine.running(), await bench.pid("hello-bot.service")
    await _platform(machine, bench, **change)
    ended = await bench.waiting("job1", project="platform")
    assert (ended["status"], ended["error"]) == ("refused", {"code": "needs-reboot", "message": says})
    assert machine.running() == before == bench.default()
    assert await bench.pid("hello-bot.service") == pid


async def test_a_system_waits_for_the_next_boot(machine: Machine, bench: Bench) -> None:
    """With `boot`, profile and boot loader move, nothing that runs is touched, and the facts say what waits."""
    before, pid = machine.running(), await bench.pid("hello-bot.service")
    state = await _staged(machine, bench, init="systemd 3")
    assert (state["status"], state["generation"]) == ("staged", 32)
    assert bench.default() == machine.layout.boot_default.readlink() == Path(state["system"])
    assert machine.running() == before
    assert await bench.pid("hello-bot.service") == pid
    facts = await bench.ask("facts")
    known = {"job": "job1", "generation": 32, "system": state["system"], "rebooted": False, "booted": False}
    assert (facts["staged"], facts["job"]) == (known, None)
    (row,) = [row for row in await bench.ask("generations") if row["staged"]]
    assert (row["generation"], row["proved"], row["running"]) == (32, False, False)
    for verb in ("prove", "publish"):
        with pytest.raises(SaidNoError) as refused:
            await bench.ask(verb, job="job1")
        assert refused.value.code == "not-ready"


async def test_after_the_reboot_it_is_proved_and_recorded(machine: Machine, bench: Bench) -> None:
    """Once the host was rebooted into it and the bot agrees, the generation is proved and can be published."""
    state = await _staged(machine, bench)
    await machine.reboot()
    assert (await bench.ask("facts"))["staged"]["booted"]
    await bench.ask("prove", job="job1")
    waiting = await bench.until("job1", "activate", "waiting", *ENDED)
    assert (waiting["status"], waiting["faults"]) == ("waiting", [])
    await bench.ask("confirm", job="job1")
    ended = await bench.until("job1", "activate", "committed", "stuck")
    assert (ended["status"], ended["proved"], ended["generation"]) == ("committed", True, 32)
    assert (await bench.ask("facts"))["staged"] is None
    rows = {row["generation"]: row for row in await bench.ask("generations")}
    assert rows[32]["proved"]
    await bench.ask("publish", job="job1")
    assert (await bench.until("job1", "publish", "published", "failed"))["status"] == "published"
    assert machine.repositories.platform.head("deployed/ops-jrz1") == state["commit"]


async def test_a_boot_that_broke_something_is_told_and_not_undone(machine: Machine, bench: Bench) -> None:
    """What was well before the reboot and is not after it is a fault; the system stays, not proved."""
    bench.change_project("hello-bot", window=3, settle=2)
    bench.change_project("web-shop", window=3, settle=2)
    broken = samples.SERVICES | {"nginx": samples.SERVICES["nginx"] | {"exits": 3}}
    await _staged(machine, bench, services=broken)
    await machine.reboot()
    await bench.ask("prove", job="job1", window=30)
    waiting = await bench.until("job1", "activate", "waiting", *ENDED)
    assert waiting["faults"] == ["nginx.service has failed"]
    assert waiting["keeps"] == "a switch does not undo a reboot"
    await bench.ask("confirm", job="job1", despite="nginx.service has failed")
    ended = await bench.until("job1", "activate", "committed", "stuck")
    assert (ended["proved"], ended["why"]) == (False, "nginx.service has failed")


async def test_a_boot_into_another_system_is_not_proved(machine: Machine, bench: Bench) -> None:
    """A host that came up with another system says so."""
    before = machine.running()
    await _staged(machine, bench)
    machine.layout.boot_default.unlink()
    machine.layout.boot_default.symlink_to(before)
    await machine.reboot()
    assert (await bench.ask("facts"))["staged"]["booted"] is False
    with pytest.raises(SaidNoError, match="came up with another system than generation 32"):
        await bench.ask("prove", job="job1")


@pytest.mark.parametrize("again", [False, True])
async def test_a_staging_that_was_cut_off_is_finished(machine: Machine, bench: Bench, *, again: bool) -> None:
    """Killed between profile and boot loader, it is finished when it is asked for again, also after a reboot."""
    await _platform(machine, bench, kernel="6.12.1")
    built = await bench.prepare("job1", "platform")
    machine.fail("switch-to-configuration", argument="boot", status=1, after=300)
    await bench.ask("activate", job="job1", base=built["base"], boot=True)
    await bench.hangs("switch-to-configuration")
    if again:
        await machine.reboot()
    else:
        os.kill(await bench.pid(UNIT), signal.SIGKILL)
    await bench.until("job1", "activate", "lost")
    await bench.ask("activate", job="job1", base=built["base"], boot=True)
    state = await bench.until("job1", "activate", *ENDED)
    assert state["status"] == "staged"
    assert bench.default() == machine.layout.boot_default.readlink() == Path(state["system"])
    assert machine.running() == Path(built["base"])


async def test_a_boot_loader_that_refuses_puts_everything_back(machine: Machine, bench: Bench) -> None:
    """When the boot loader cannot be set, profile and boot loader name the former default again."""
    before = machine.running()
    await _platform(machine, bench, kernel="6.12.1")
    built = await bench.prepare("job1", "platform")
    machine.fail("boot-loader", status=1)
    await bench.ask("activate", job="job1", base=built["base"], boot=True)
    state = await bench.until("job1", "activate", *ENDED)
    assert state["status"] == "reverted"
    assert state["why"].startswith("It could not be made the default. The boot loader could not be set")
    assert bench.default() == machine.layout.boot_default.readlink() == machine.running() == before
    assert (await bench.ask("facts"))["staged"] is None


@pytest.mark.parametrize("moment", ["proving", "waiting"])
async def test_a_proof_that_was_cut_off_begins_anew(machine: Machine, bench: Bench, moment: str) -> None:
    """Killed in the middle, the proof is done again when it is asked for again; nothing is undone."""
    # A service that fails is looked at for the whole window.
    ill = {"exits": 3} if moment == "proving" else {}
    state = await _staged(machine, bench, services=samples.SERVICES | {"nginx": samples.SERVICES["nginx"] | ill})
    await machine.reboot()
    await bench.ask("prove", job="job1")
    await bench.until("job1", "activate", moment)
    async with asyncio.timeout(30):
        while bench.record("job1")["status"] != moment:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
    for name in ("hello-bot", "web-shop"):
        bench.change_project(name, window=3, settle=2)
    os.kill(await bench.pid(UNIT), signal.SIGKILL)
    await bench.until("job1", "activate", "lost")
    await bench.ask("prove", job="job1")
    await bench.until("job1", "activate", "waiting")
    await bench.ask("confirm", job="job1")
    ended = await bench.until("job1", "activate", "committed", "stuck")
    assert (ended["status"], ended["proved"]) == ("committed", moment == "waiting")
    assert machine.running() == bench.default() == Path(state["system"])


async def test_a_proof_without_a_word_goes_on_waiting(machine: Machine, bench: Bench) -> None:
    """When the bot says nothing within the window, the system still waits to be proved, and holds nobody up."""
    await _staged(machine, bench)
    await machine.reboot()
    for name in ("hello-bot", "web-shop"):
        bench.change_project(name, window=1)
    await bench.ask("prove", job="job1")
    await bench.until("job1", "activate", "waiting")
    await bench.until("job1", "activate", "staged")
    facts = await bench.ask("facts")
    assert (facts["job"], facts["staged"]["booted"]) == (None, True)


async def test_a_deploy_in_between_says_what_will_not_be_booted_any_more(machine: Machine, bench: Bench) -> None:
    """A deploy becomes the default in place of what waited for a reboot, and warns of it."""
    await _staged(machine, bench)
    state = await bench.deploy("job2")
    assert state["activate"]["warnings"] == [
        "Generation 32 waited for a reboot and is not the default any more: deploy it again with --boot."
    ]
    assert (await bench.ask("facts"))["staged"] is None


async def test_what_waits_for_a_reboot_can_be_taken_back(machine: Machine, bench: Bench) -> None:
    """The generation that runs can be made the default again, without anything being activated."""
    await _staged(machine, bench)
    running = str(machine.running())
    await bench.ask("rollback", job="job2", base=running, generation=31, boot=True)
    state = await bench.until("job2", "activate", *ENDED)
    assert (state["status"], state["generation"], state["proved"]) == ("committed", 31, True)
    assert bench.default() == machine.layout.boot_default.readlink() == machine.running() == Path(running)


async def test_a_deploy_that_changes_the_kernel_says_that_a_reboot_is_needed(machine: Machine, bench: Bench) -> None:
    """What runs on another kernel than its own says so until the host is rebooted."""
    await _platform(machine, bench, kernel="6.12.1")
    state = await bench.deploy("job1", project="platform")
    assert state["activate"]["reboot_needed"]
    assert (await bench.ask("facts"))["reboot_needed"]


async def test_a_commit_that_fails_leaves_what_waits_for_a_reboot_the_default(machine: Machine, bench: Bench) -> None:
    """When a deploy is taken back within its commit, profile and boot loader name again what waited for a reboot."""
    waits, before = await _staged(machine, bench), machine.running()
    await bench.waiting("job2")
    machine.fail("boot-loader", status=1)
    await bench.ask("confirm", job="job2")
    ended = await bench.until("job2", "activate", *ENDED)
    assert (ended["status"], ended["runs"], ended["base_generation"]) == ("reverted", 31, 32)
    assert machine.running() == before
    assert bench.default() == machine.layout.boot_default.readlink() == Path(waits["system"])
    assert (await bench.ask("facts"))["staged"]["job"] == "job1"


async def test_a_proof_that_a_person_has_overtaken_holds_nobody_up(machine: Machine, bench: Bench) -> None:
    """A proof that was cut off, of what a person has made the default no longer, does not keep the host for itself."""
    await _staged(machine, bench)
    await machine.reboot()
    await bench.ask("prove", job="job1")
    await bench.until("job1", "activate", "waiting")
    os.kill(await bench.pid(UNIT), signal.SIGKILL)
    await bench.until("job1", "activate", "lost")
    assert (await bench.ask("facts"))["job"] == "job1"
    profile = machine.layout.profile
    profile.unlink()
    profile.symlink_to(f"{profile.name}-31-link")
    assert (await bench.ask("facts"))["job"] is None
