"""The host of the model does what the real helper does: the same stories are told to both, and both say the same."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from opsbot.standin.machine import Machine
from opsbot.testing.virtual import VirtualLoop
from tests.model.hosts import Host, ModelHost, RealHost

ENDED = ("committed", "reverted", "rebooted", "refused", "stuck")


async def deployed(host: Host) -> None:
    """All goes well; every question comes twice, and some too early."""
    former = await host.running()
    built = await host.build()
    await host.ask("confirm")
    await host.ask("publish")
    await host.ask("revert", reason="Too early.")
    for _ in range(2):
        await host.ask("activate", base=built["base"], system=built["system"])
    await host.until("activate", "waiting")
    await host.look(former=former, new=built["system"])
    await host.ask("publish")
    for _ in range(2):
        await host.ask("confirm")
    await host.until("activate", *ENDED)
    for _ in range(2):
        await host.ask("publish")
    await host.until("publish", "published", "failed")
    await host.ask("activate", base=built["base"], system=built["system"])
    await host.ask("confirm")
    await host.ask("publish")
    await host.ask("revert", reason="Too late.")
    await host.until("activate", *ENDED)
    await host.look(former=former, new=built["system"])


async def back_and_refused(host: Host) -> None:
    """A generation is gone back to, and what was built for another base or is another system is refused."""
    former = await host.running()
    number = await host.number(former)
    await host.build("job3")
    built = await host.activate()
    await host.ask("confirm")
    await host.until("activate", *ENDED)
    await host.ask("activate", "job2", base=former)
    await host.ask("activate", "job3", base=former)
    await host.ask("activate", "job3", base=built["system"], system=former)
    await host.ask("rollback", "job4", base=former, generation=number)
    await host.ask("rollback", "job4", base=built["system"], generation=999)
    await host.ask("rollback", "job4", base=built["system"], generation=number)
    await host.until("activate", "waiting", job="job4")
    await host.ask("activate", "job3", base=former)
    await host.ask("confirm", "job4")
    await host.until("activate", *ENDED, job="job4")
    await host.look(former=former, new=built["system"])


async def silence(host: Host) -> None:
    """Nobody confirms."""
    former = await host.running()
    built = await host.build()
    await host.ask("activate", base=built["base"])
    await host.until("activate", "waiting")
    await host.late()
    await host.until("activate", *ENDED)
    await host.ask("confirm")
    await host.look(former=former, new=built["system"])


async def taken_back(host: Host) -> None:
    """Whoever asked does not want it any more, while it waits."""
    former = await host.running()
    built = await host.activate()
    for _ in range(2):
        await host.ask("cancel")
    await host.until("activate", *ENDED)
    await host.ask("confirm")
    await host.until("activate", *ENDED)
    await host.look(former=former, new=built["system"])


async def killed_and_asked_again(host: Host) -> None:
    """What waited was killed, keeps others out, and is asked for again."""
    former = await host.running()
    built = await host.activate()
    await host.kill()
    await host.until("activate", "lost")
    await host.ask("rollback", "job2", base=built["system"], generation=await host.number(former))
    await host.ask("activate", base=built["base"])
    await host.until("activate", *ENDED)
    await host.look(former=former, new=built["system"])


async def killed_and_left_alone(host: Host) -> None:
    """What waited was killed, and the dead man comes."""
    former = await host.running()
    built = await host.activate()
    await host.kill()
    await host.late()
    await host.until("activate", *ENDED)
    await host.look(former=former, new=built["system"])


async def without_power(host: Host) -> None:
    """The power fails while it waits; a boot brings what was before, and it is not begun again."""
    former = await host.running()
    built = await host.activate()
    await host.reboot()
    await host.until("activate", *ENDED)
    await host.ask("activate", base=built["base"])
    await host.until("activate", *ENDED)
    await host.look(former=former, new=built["system"])
    await host.activate("job2")


async def by_hand(host: Host) -> None:
    """Somebody puts another system in place while it waits, and it is taken back."""
    former = await host.running()
    built = await host.activate()
    await host.by_hand()
    await host.ask("revert", reason="It is ill.")
    await host.until("activate", *ENDED)
    await host.look(former=former, new=built["system"])


STORIES = (
    deployed,
    back_and_refused,
    silence,
    taken_back,
    killed_and_asked_again,
    killed_and_left_alone,
    without_power,
    by_hand,
)


def told_to_the_model(story: Callable[[Host], Awaitable[None]]) -> list[tuple[object, ...]]:
    """Tell a story to the model's host, and return what was heard."""
    loop = VirtualLoop()
    try:
        host = ModelHost(loop)
        loop.run_until_complete(story(host))
    finally:
        loop.shut()
    return host.heard


async def told_to_a_machine(story: Callable[[Host], Awaitable[None]], folder: Path) -> list[tuple[object, ...]]:
    """Tell a story to a machine with the real helper, and return what was heard."""
    async with Machine(folder) as machine:
        host = RealHost(machine)
        await story(host)
    return host.heard


@pytest.mark.parametrize("story", STORIES)
def test_the_models_host_does_as_the_real_one(story: Callable[[Host], Awaitable[None]], tmp_path: Path) -> None:
    """The same questions are answered alike, a job ends alike, and afterwards the same runs and is the default."""
    assert told_to_the_model(story) == asyncio.run(told_to_a_machine(story, tmp_path / "host"))
