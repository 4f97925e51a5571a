import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from opsbot.errors import ChatRefusedError
from tests.matrix.bot import opened, running
from tests.matrix.conftest import Place
from tests.matrix.proxy import Mood, Proxy


@asynccontextmanager
async def sending(place: Place, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bot as a process of its own, which is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.matrix.bot", str(place.folder)),
        *(url, str(place.settings.token_file), place.room_id),
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def said(place: Place) -> list[str]:
    """Return what the bot said in the room, each event of it, oldest first."""
    events = await place.ada.events(place.room_id)
    return [event["content"]["body"] for event in events if event["sender"] == place.bot_id]


async def test_rooms_are_served_in_order_and_apart(place: Place) -> None:
    """Messages of a room arrive in the order in which they were posted, in several rooms at once."""
    other = await place.ada.create_room(place.bot_id)
    settings = replace(place.settings, rooms=frozenset({place.room_id, other}))
    async with running(place.folder, settings) as bot:
        for n in range(20):
            await bot.say(f"here {n}", place.room_id)
            await bot.say(f"there {n}", other)
        await asyncio.gather(bot.outbox.sent("here 19"), bot.outbox.sent("there 19"))
    assert await said(place) == [f"here {n}" for n in range(20)]
    assert [line.body for line in await place.ada.lines(other)] == [f"there {n}" for n in range(20)]


async def test_a_message_that_is_not_wanted_does_not_block(place: Place) -> None:
    """What may not be said in one room is given up with the reason; the other room hears its messages."""
    foreign = await place.ada.create_room()
    async with running(place.folder, place.settings) as bot:
        await bot.say("knock", foreign)
        await bot.say("hello", place.room_id)
        await bot.outbox.sent("hello")
        with pytest.raises(ChatRefusedError, match="403"):
            await bot.outbox.sent("knock")
        assert await bot.outbox.depth() == 0


async def test_an_answer_that_cannot_hang_on_a_thread_is_given_all_the_same(place: Place) -> None:
    """When the homeserver refuses the thread, the answer goes to the room."""
    root = await place.ada.say(place.room_id, "root")
    inside = await place.ada.say(place.room_id, "inside", thread=root)
    async with running(place.folder, place.settings) as bot:
        await bot.say("answer", place.room_id, thread=inside)
        await bot.outbox.sent("answer")
    assert (await place.ada.lines(place.room_id))[-1].body == "answer"


async def test_an_edit_changes_the_message_in_place(place: Place) -> None:
    """Progress is one message that changes."""
    root = await place.ada.say(place.room_id, "!deploy")
    async with running(place.folder, place.settings) as bot:
        await bot.say("building", place.room_id, thread=root)
        event_id = await bot.outbox.sent("building")
        await bot.say("done", place.room_id, thread=root, edits="building")
        await bot.outbox.sent("done")
    line = (await place.ada.lines(place.room_id))[-1]
    assert (line.event_id, line.body, line.thread, line.edits) == (event_id, "done", root, 1)


async def test_edits_keep_their_distance_and_the_last_one_is_sent(place: Place) -> None:
    """Edits of one message are a set time apart; others pass meanwhile, and the last state always arrives."""
    async with running(place.folder, replace(place.settings, edit_gap=0.6)) as bot:
        await bot.say("0", place.room_id)
        for n in range(1, 9):
            await bot.say(f"{n}", place.room_id, edits="0")
            await asyncio.sleep(0.1)
        await bot.say("passes", place.room_id)
        await bot.outbox.sent("8")
        await bot.outbox.sent("passes")
    events = [event for event in await place.ada.events(place.room_id) if event["sender"] == place.bot_id]
    edits = [event["origin_server_ts"] for event in events if event["content"]["body"].startswith("* ")]
    assert all(later - earlier >= 600 for earlier, later in pairwise(edits))
    assert [line.body for line in await place.ada.lines(place.room_id)] == ["8", "passes"]


async def test_edits_collapse_while_the_homeserver_is_away(place: Place, proxy: Proxy) -> None:
    """Whoever comes back sees the last state, not every one of the way there."""
    async with running(place.folder, place.through(proxy)) as bot:
        await bot.say("0", place.room_id)
        await bot.outbox.sent("0")
        await proxy.refuse()
        for n in range(1, 30):
            await bot.say(f"{n}", place.room_id, edits="0")
        await proxy.open()
        await bot.outbox.sent("29")
        await bot.outbox.sent("1")
    assert len(await said(place)) <= 3
    (line,) = await place.ada.lines(place.room_id)
    assert line.body == "29"


async def test_a_kill_between_sending_and_noting_makes_no_second_event(place: Place, proxy: Proxy) -> None:
    """The homeserver has the message, the bot dies before it knows: after a restart it is still one event."""
    async with opened(place.folder, place.settings) as bot:
        await bot.say("once", place.room_id)
    await (await place.as_bot()).join(place.room_id)
    asked = asyncio.create_task(proxy.until_asked("send/m.room.message"))
    async with sending(place, proxy.url):
        await proxy.until_asked("sync")
        await asked
    assert await said(place) == ["once"]
    async with running(place.folder, place.settings) as bot:
        await bot.outbox.sent("once")
        await bot.say("after", place.room_id)
        await bot.outbox.sent("after")
    assert await said(place) == ["once", "after"]


async def test_kills_at_any_moment_lose_and_double_nothing(place: Place, proxy: Proxy) -> None:
    """However often the bot is killed while it sends, every message arrives once and in order."""
    bodies = [f"message {n}" for n in range(24)]
    async with opened(place.folder, place.settings) as bot:
        for body in bodies:
            await bot.say(body, place.room_id)
    for kill_after in (3, 6, 1):
        async with sending(place, proxy.url):
            await proxy.until_asked("send/m.room.message", times=kill_after)
    async with running(place.folder, place.settings) as bot:
        await bot.outbox.sent(bodies[-1])
    assert await said(place) == bodies


async def test_an_answer_that_is_lost_on_the_way_makes_no_second_event(place: Place, proxy: Proxy) -> None:
    """A message whose acknowledgement never came is sent again as the same event."""
    async with running(place.folder, replace(place.through(proxy), patience=1.0)) as bot:
        await bot.edge.ready.wait()
        proxy.mood = Mood.DEAF
        await bot.say("once", place.room_id)
        await proxy.until_asked("send/m.room.message", times=2)
        proxy.mood = Mood.WELL
        await bot.outbox.sent("once")
    assert Counter(await said(place)) == {"once": 1}
