import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.bot import Bot
from opsbot.happened import Event, PassedOver
from opsbot.model import Message
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM
from opsbot.web.metrics import Metrics

TEAM = {
    name: {"level": level, "accounts": [f"@{name}:example.org", f"@{name}:elsewhere.org"]}
    for name, level in (("admin", "admin"), ("deployer", "deployer"), ("second", "deployer"), ("member", "member"))
}
MANY = {"person": 1000, "room": 1000, "strangers": 1000, "queued": 1000}
ONCE = "I say this once, and pass over what is more."

SLOW = '''
"""What takes its time."""
import asyncio

from opsbot import Context, command


@command
async def slow(ctx: Context) -> str:
    """Wait until somebody says go."""
    await ctx.storage.update("here", lambda count: count + 1, 0)
    while not await ctx.storage.get("go", False):
        await asyncio.sleep(0.005)
    return "done"


@command
async def go(ctx: Context) -> str:
    """Let it end."""
    await ctx.storage.set("go", True)
    return "gone"
'''


@asynccontextmanager
async def opened(folder: Path, *plugins: Path, **limits: int) -> AsyncIterator[Bench]:
    """Open a bench with these limits, and no others."""
    async with Bench.open(folder, *plugins, people=TEAM, limits=MANY | limits) as bench:
        yield bench


async def test_what_is_too_much_is_said_once(tmp_path: Path) -> None:
    """Of more commands than a person has in a minute the first is answered so, and the others not, until it is calm."""
    async with opened(tmp_path, person=3) as bench:
        said = [await bench.say("member", "!hello") for _ in range(6)]

        assert said[:3] == ["Hello, world!"] * 3
        assert said[3:] == [f"Not run: that is more than 3 commands from you within a minute. {ONCE}", "", ""]
        bench.clock.pass_time(20)
        assert await bench.say("member", "!hello") == "Hello, world!"
        assert await bench.say("member", "!hello") == ""
        bench.clock.pass_time(61)
        assert [await bench.say("member", "!hello") for _ in range(4)][-1].startswith("Not run: that is more than 3")


async def test_a_persons_accounts_count_together(tmp_path: Path) -> None:
    """Two accounts of one person have what one person has, and another person is heard meanwhile."""
    async with opened(tmp_path, person=2) as bench:
        await bench.say("@member:example.org", "!hello")
        await bench.say("@member:elsewhere.org", "!hello")

        assert (await bench.say("@member:elsewhere.org", "!hello")).startswith("Not run: that is more than 2")
        assert await bench.say("deployer", "!hello") == "Hello, world!"


async def test_strangers_have_a_share_that_is_theirs(tmp_path: Path) -> None:
    """All whom nobody knows have one share of a room together, and it is not the team's."""
    async with opened(tmp_path, strangers=2, room=5) as bench:
        said = [await bench.say(f"@s{n}:example.org", "!hello") for n in range(20)]

        assert [one for one in said if one] == [
            *["Hello, world!"] * 2,
            f"Not run: that is more than 2 commands within a minute from people whom I do not know. {ONCE}",
        ]
        assert [await bench.say("member", "!hello") for _ in range(3)] == ["Hello, world!"] * 3


async def test_a_room_has_a_limit(tmp_path: Path) -> None:
    """However many people there are, a room gets no more answers than its channel of Slack takes."""
    async with opened(tmp_path, room=2) as bench:
        said = [await bench.say(who, "!hello") for who in ("member", "second", "deployer", "admin", "member")]

        assert said[:2] == ["Hello, world!"] * 2
        assert said[2].startswith("Not run: that is more than 2 commands within a minute in this room.")
        assert said[3:] == ["", ""]


async def test_an_admin_ends_things_in_a_flood(tmp_path: Path) -> None:
    """Rollback, cancel and deny of an admin are heard whatever the flood, by any of their names; of others not."""
    async with opened(tmp_path, person=2, room=4) as bench:
        await bench.say("admin", "!deploy hello-bot")
        for who in ("admin", "deployer", "deployer", "second", "second"):
            await bench.say(who, "!hello")
        assert "Not run: that is more than 2 commands from you" in await bench.say("admin", "!status")

        assert "Generation 31 runs on `ops-jrz1` again" in await bench.say("admin", "!rollback")
        assert "#1 has ended already" in await bench.say("admin", "!stop 1")
        assert "does not wait for anybody's word" in await bench.say("admin", "!reject 1")
        assert "Not run: that is more than 2 commands from you" in await bench.say("second", "!rollback")


async def test_who_is_an_admin_reads_what_is_still_heard(tmp_path: Path) -> None:
    """An admin who is told of the limit is told what gets through."""
    async with opened(tmp_path, person=1) as bench:
        await bench.say("admin", "!hello")
        assert (await bench.say("admin", "!hello")).endswith("`!cancel`, `!deny`, `!rollback` are heard all the same.")


async def test_old_commands_are_no_flood_of_answers(tmp_path: Path) -> None:
    """What was said while the bot was away, and is too old, counts as well: it is not answered one by one."""
    async with opened(tmp_path, person=3) as bench:
        sent = bench.clock.now()
        bench.clock.pass_time(600)
        said = [await bench.say("member", "!hello", sent_at=sent) for _ in range(10)]

        assert [one[:20] for one in said if one] == ["Not run: too old. Yo"] * 3 + ["Not run: that is mor"]


@pytest.mark.parametrize("who", ["member", "admin"])
async def test_a_flood_is_put_away_and_a_rollback_behind_it_is_heard(tmp_path: Path, who: str) -> None:
    """Of five thousand commands a few are answered and the others counted; an admin's behind them is carried out."""
    async with opened(tmp_path, person=5) as bench:
        heard: list[Event] = []
        bench.site = replace(bench.site, tell=heard.append)
        flood = [
            Message(
                event_id=f"${n}", room_id=ROOM, sender=f"@{who}:example.org", body="!hello", sent_at=bench.clock.now()
            )
            for n in range(5000)
        ]
        urgent = replace(flood[0], event_id="$urgent", sender="@admin:example.org", body="!rollback 31")
        await bench.site.inbox.accept([*flood, urgent], position=None)

        working = asyncio.create_task(Bot(bench.site).run())
        async with asyncio.timeout(60):
            while await bench.site.inbox.open_messages():
                await bench.database.next_write().wait()
        await bench.settle()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

        answers = [words for key, words in bench.room.items() if key.startswith("answer:")]
        assert [one[:8] for one in answers] == ["Hello, w"] * 5 + ["Not run:"]
        assert "Generation 31 is what runs on `ops-jrz1` already." in "\n".join(bench.room.values())
        assert sum(isinstance(one, PassedOver) for one in heard) == 4995


async def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    """The figures tell how much was passed over, and why; before anything was, they show a zero."""
    async with opened(tmp_path, person=1) as bench:
        metrics = Metrics(())
        bench.site = replace(bench.site, tell=metrics.listen)
        bench.bot = Bot(bench.site)
        for _ in range(4):
            await bench.say("member", "!hello")

        page = metrics.page(jobs=(), outbox=0, sync_age=0).decode()
        assert 'opsbot_commands_passed_over_total{why="person"} 3.0' in page
        assert 'opsbot_commands_passed_over_total{why="room"} 0.0' in page


async def test_slow_commands_do_not_pile_up(tmp_path: Path) -> None:
    """A person has so many commands at work at a time; when they have ended, there is room for others."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "slow.py").write_text(SLOW)
    async with opened(tmp_path, mine, queued=2) as bench:
        waiting = [asyncio.create_task(bench.say("member", "!slow")) for _ in range(2)]
        while (written := bench.database.next_write()) and await bench.site.storage("slow").get("here", 0) < 2:
            await written.wait()

        assert "more than 2 of your commands at a time." in await bench.say("member", "!hello")
        await bench.say("second", "!go")
        await asyncio.gather(*waiting)
        assert await bench.say("member", "!hello") == "Hello, world!"


@pytest.mark.parametrize(
    ("limit", "who", "said"), [("jobs", "deployer", "2 of your jobs"), ("all_jobs", "second", "2 jobs")]
)
async def test_open_jobs_have_a_limit(tmp_path: Path, limit: str, who: str, said: str) -> None:
    """A person, and everybody, has so many open jobs; an admin goes back all the same."""
    async with opened(tmp_path, **{limit: 2}) as bench:
        bench.host.at_work = True
        await bench.say("deployer", "!deploy hello-bot")
        await bench.say("deployer", "!deploy web-shop --wait")

        told = await bench.say(who, "!deploy hello-bot v2 --wait")
        back = await bench.say("admin", "!rollback 31")

        assert f"Not begun: {said} are open already. `!jobs` lists them, `!cancel` ends one." in told
        assert "Generation 31 is what runs" in back
        bench.host.at_work = False
        await bench.settle()
        assert "runs on" in await bench.say(who, "!deploy hello-bot v2")


async def test_many_jobs_at_once_are_counted_one_by_one(tmp_path: Path) -> None:
    """Commands that come at the same time open no more jobs than those that come one after the other."""
    async with opened(tmp_path, jobs=3) as bench:
        bench.host.at_work = True
        said = await asyncio.gather(*(bench.say("deployer", "!deploy hello-bot --wait") for _ in range(8)))
        assert len(await bench.site.ledger.jobs()) == 3
        assert "Not begun: 3 of your jobs" in "\n".join(said)
        bench.host.at_work = False
        await bench.settle()


async def test_a_command_has_a_length(tmp_path: Path) -> None:
    """A command that is longer than the limit is refused with a sentence, whatever it is."""
    async with opened(tmp_path, characters=100) as bench:
        assert await bench.say("member", "!hello " + "x" * 101) == (
            "That is too long for a command: 101 characters, where 100 is the most."
        )
        assert await bench.say("member", "!hello " + "x" * 100) == f"Hello, {'x' * 100}!"
