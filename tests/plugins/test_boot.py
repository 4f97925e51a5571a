import pytest

from opsbot.jobs.reboots import look
from opsbot.testing import Bench

OFFER = "`!deploy platform main --boot` makes it the default of the next boot, and nothing else."
REBOOT = {"code": "needs-reboot", "message": "Its init cannot take over from the one that runs: that takes a reboot."}


async def _rebooted(bench: Bench, *, into: int | None = None) -> str:
    """Reboot the host, let the bot notice, and return what it said."""
    before = dict(bench.room)
    bench.host.reboot(into=into)
    await look(bench.site)
    await bench.settle()
    return "\n\n".join(words for key, words in bench.room.items() if before.get(key) != words)


async def test_what_cannot_be_switched_to_is_offered_with_a_reboot(bench: Bench) -> None:
    """A system that NixOS does not switch to is refused with the reason and the command that stages it."""
    bench.host.endings["activate"] = {"status": "refused", "error": REBOOT}

    answer = await bench.say("admin", "!deploy platform")

    assert f"was not activated: {REBOOT['message']} {OFFER}" in answer


async def test_a_deploy_for_the_next_boot_activates_nothing_and_says_what_to_do(bench: Bench) -> None:
    """`--boot` makes it the default of the next boot; the room is told to reboot, and how to take it back."""
    answer = await bench.say("admin", "!deploy platform --boot")

    assert "is the default of `ops-jrz1` from its next boot on as generation 32. Nothing runs differently" in answer
    assert "`systemctl reboot` there" in answer
    assert "`!rollback 31 --boot` takes that back." in answer
    assert bench.host.running["generation"] == 31
    assert [verb for verb, _ in bench.host.asked if verb in ("confirm", "publish")] == []
    assert "generation 32 waits for a reboot" in await bench.say("member", "!status")
    assert "next boot" in await bench.say("member", "!generations")
    assert "`ops-jrz1`: free" in await bench.say("member", "!locks")


async def test_after_the_reboot_the_bot_proves_it_once(bench: Bench) -> None:
    """Once the host was rebooted into it, services and a message are proved, and it is recorded and published."""
    await bench.say("admin", "!deploy platform --boot")
    await look(bench.site)
    assert not [verb for verb, _ in bench.host.asked if verb == "prove"]

    answer = await _rebooted(bench)
    await look(bench.site)
    await bench.engine.finished()

    assert "was booted on `ops-jrz1` and is proved: generation 32; on main." in answer
    assert answer.count("(#2, admin)") == 1
    assert bench.host.running["proved"]
    assert [verb for verb, _ in bench.host.asked if verb in ("prove", "confirm", "publish")] == [
        "prove",
        "confirm",
        "publish",
    ]
    assert "waits" not in await bench.say("member", "!status")


async def test_a_boot_that_broke_something_says_what_is_wrong_and_how_to_go_back(bench: Bench) -> None:
    """What was well before the reboot and is not now is told, with the way back; nothing is undone by itself."""
    await bench.say("admin", "!deploy platform --boot")
    bench.host.endings["proof"] = {"deadline": bench.clock.now().timestamp() + 60}
    bench.outside.ill["opsbot"] = "Connection refused"

    answer = await _rebooted(bench)

    assert "runs on `ops-jrz1` as generation 32, but it is NOT proved: opsbot: Connection refused." in answer
    assert "a switch does not undo a reboot. A person must decide: `!rollback 31 --boot` goes back" in answer
    assert "with the next reboot" in answer
    assert not bench.host.running["proved"]
    assert [verb for verb, _ in bench.host.asked if verb == "revert"] == []


async def test_what_was_ill_before_the_reboot_does_not_speak_against_it(bench: Bench) -> None:
    """What was not well when it was staged is no fault of the boot."""
    bench.outside.ill["opsbot"] = "Connection refused"
    await bench.say("admin", "!deploy platform --boot")

    assert "and is proved" in await _rebooted(bench)


async def test_a_host_that_came_up_with_another_system_is_told_once_a_boot(bench: Bench) -> None:
    """A boot into something else is told, once for each boot; the right one is proved after all."""
    await bench.say("admin", "!deploy platform --boot")

    wrong = await _rebooted(bench, into=31)
    await look(bench.site)
    assert "is not proved: The host was rebooted, and came up with another system." in wrong
    assert "the last boot came up with another" in await bench.say("member", "!status")
    assert len(await bench.site.ledger.jobs()) == 2
    assert "and is proved" in await _rebooted(bench)


async def test_what_waits_is_taken_back_by_its_number(bench: Bench) -> None:
    """`!rollback N --boot` with the running generation makes it the default again; nothing is proved after a reboot."""
    await bench.say("admin", "!deploy platform --boot")

    answer = await bench.say("admin", "!rollback 31 --boot")

    assert "Generation 31 is the default of `ops-jrz1` again" in answer
    assert "waits" not in await bench.say("member", "!status")
    assert await _rebooted(bench) == ""


async def test_a_rollback_for_the_next_boot_holds_what_it_moves(bench: Bench) -> None:
    """A rollback with --boot crosses a kernel without --force, and holds what it moves."""
    kernel = {"kind": "kernel", "what": "the kernel", "old": "6.12.1", "new": "6.6.68", "back": None}
    await bench.say("deployer", "!deploy hello-bot")
    bench.host.plan["hazards"] = [kernel]

    answer = await bench.say("admin", "!rollback --boot")

    assert "Generation 31 is the default of `ops-jrz1` from its next boot on. Nothing" in answer
    assert [hold.project for hold in await bench.site.ledger.holds()] == ["hello-bot"]
    assert "and is proved" in await _rebooted(bench)


async def test_a_host_that_does_not_answer_is_looked_at_later(bench: Bench) -> None:
    """While the host reboots it cannot be asked; the proof begins when it can."""
    await bench.say("admin", "!deploy platform --boot")
    bench.host.away = True
    await look(bench.site)
    bench.host.away = False

    assert "and is proved" in await _rebooted(bench)


async def test_a_deploy_says_that_a_reboot_is_needed(bench: Bench) -> None:
    """What is not in force as a whole until a reboot is told after the deploy."""
    bench.host.endings["activate"] = {"reboot_needed": True}

    assert "It takes a reboot to be in force as a whole." in await bench.say("deployer", "!deploy hello-bot")


def _places(*steps: str) -> list[str]:
    return [f"{when} {step}" for step in steps for when in ("before", "in", "after")]


@pytest.mark.parametrize("place", _places("turn", "look", "activate", "unhold", "end"))
async def test_a_bot_that_dies_anywhere_stages_it_once(bench: Bench, place: str) -> None:
    """Wherever the bot dies, it becomes the default of the next boot once, told in one closing line."""
    bench.engine.crash_at = {place}

    staged = await bench.say("admin", "!deploy hello-bot --boot")

    assert bench.engine.crash_at == set()
    assert staged.count("(#1, admin)") == 1
    assert len(bench.host.generations) == 2
    assert bench.host.running["generation"] == 31


@pytest.mark.parametrize("place", _places("turn", "activate", "prove", "publish", "end"))
async def test_a_bot_that_dies_within_the_proof_proves_it_once(bench: Bench, place: str) -> None:
    """Wherever the bot dies after the reboot, the proof goes on, and its end is told once."""
    await bench.say("admin", "!deploy hello-bot --boot")
    bench.engine.crash_at = {place}

    proved = await _rebooted(bench)

    assert bench.engine.crash_at == set()
    assert proved.count("(#2, admin)") == 1
    assert bench.host.running["proved"]
