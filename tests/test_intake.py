import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from opsbot.model import Message
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM
from tests.plugins.test_limits import SLOW


@asynccontextmanager
async def at_work(bench: Bench, *said: str, mark: str = "said") -> AsyncIterator[None]:
    """Let somebody say things that come in one sync, and the bot take them out of its inbox."""
    messages = [
        Message(
            event_id=f"${mark}{number}",
            room_id=ROOM,
            sender="@deployer:example.org",
            body=words,
            sent_at=bench.clock.now() + timedelta(milliseconds=number),
        )
        for number, words in enumerate(said)
    ]
    await bench.site.inbox.accept(messages, position=None)
    working = asyncio.create_task(bench.bot.run())
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        working.cancel()


async def emptied(bench: Bench) -> None:
    """Wait until every message was seen through."""
    while True:
        written = bench.database.next_write()
        if not await bench.site.inbox.open_messages():
            return
        await written.wait()


async def test_what_one_person_says_is_done_in_its_order(tmp_path: Path) -> None:
    """Who locks and unlocks in one breath finds it unlocked, and the newer of two deploys is the later one."""
    async with Bench.open(tmp_path) as bench:
        said = ["!lock hello-bot a moment", "!unlock hello-bot"] * 3
        async with at_work(bench, *said, "!deploy hello-bot try", "!deploy hello-bot main --wait"):
            await emptied(bench)
        await bench.settle()

        assert await bench.site.ledger.locks() == []
        assert [one.target for one in await bench.site.ledger.jobs()] == ["main", "try"]


async def test_what_takes_its_time_holds_up_nobody(tmp_path: Path) -> None:
    """A command that waits for something lets those pass that the same person says behind it, each in its order."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "slow.py").write_text(SLOW)
    async with Bench.open(tmp_path, mine) as bench:
        async with at_work(bench, "!slow", "!lock hello-bot a moment", "!unlock hello-bot", "!go"):
            await emptied(bench)
        await bench.settle()

        assert bench.room["answer:$said0"] == "done"
        assert bench.room["answer:$said2"].startswith("`hello-bot` is free of your lock")


async def test_a_clock_that_is_set_back_mutes_nobody_for_longer(tmp_path: Path) -> None:
    """Who said too much is heard again after a minute, though the clock went back by an hour meanwhile."""
    async with Bench.open(tmp_path, limits={"person": 1}) as bench:
        for mark, passed in (("first", -3600), ("second", 61), ("third", 0)):
            async with at_work(bench, "!hello", "!hello", mark=mark):
                await emptied(bench)
            bench.clock.pass_time(passed)
        await bench.settle()

        assert bench.room["answer:$third0"] == "Hello, world!"
