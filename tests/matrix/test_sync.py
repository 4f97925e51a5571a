import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.demo.homeserver import Homeserver
from tests.matrix.bot import opened, running
from tests.matrix.conftest import Place, make_place
from tests.matrix.proxy import Proxy


async def say_all(place: Place, count: int, words: str = "!hello") -> list[str]:
    """Say so many things, ten at a time, and return them."""
    bodies = [f"{words} {n}" for n in range(count)]
    for start in range(0, count, 10):
        await asyncio.gather(*(place.ada.say(place.room_id, body) for body in bodies[start : start + 10]))
    return bodies


async def test_a_word_goes_out_and_an_answer_comes_back(place: Place) -> None:
    """What is said in the room reaches the inbox, and the answer appears in the thread of the command."""
    woken = asyncio.Event()
    async with running(place.folder, place.settings, on_messages=woken.set) as bot:
        await bot.edge.ready.wait()
        command = await place.ada.say(place.room_id, "!hello")
        await woken.wait()
        (message,) = await bot.inbox.open_messages()
        assert (message.event_id, message.sender, message.body) == (command, place.ada.user_id, "!hello")
        await bot.say("Hello, Ada!", place.room_id, thread=command)
        answer = await bot.outbox.sent("Hello, Ada!")
        line = (await place.ada.lines(place.room_id))[-1]
        assert (line.event_id, line.body, line.thread) == (answer, "Hello, Ada!", command)


async def test_what_must_not_run_is_not_accepted(place: Place) -> None:
    """Edits, notices, emotes and the bot's own words never reach the inbox; deleted commands neither."""
    deleted = await place.ada.say(place.room_id, "!deploy deleted")
    await place.ada.ask("PUT", f"rooms/{place.room_id}/redact/{deleted}/1", {})
    async with running(place.folder, place.settings) as bot:
        await bot.edge.ready.wait()
        first = await place.ada.say(place.room_id, "first")
        edit = {"body": "!deploy edit", "msgtype": "m.text"}
        relation = {"rel_type": "m.replace", "event_id": first}
        await place.ada.send(place.room_id, {**edit, "m.new_content": edit, "m.relates_to": relation})
        await place.ada.send(place.room_id, {"body": "!deploy notice", "msgtype": "m.notice"})
        await place.ada.send(place.room_id, {"body": "!deploy emote", "msgtype": "m.emote"})
        await bot.say("!deploy own", place.room_id)
        await bot.outbox.sent("!deploy own")
        await place.ada.say(place.room_id, "last")
        assert [message.body for message in await bot.heard("last")] == ["first", "last"]


@pytest.mark.parametrize(("server", "count"), [("Synapse", 50), ("conduwuit", 200)])
async def test_a_burst_loses_nothing(place: Place, proxy: Proxy, server: str, count: int) -> None:
    """Two hundred messages at once are all accepted, once each, though a sync brings ten."""
    proxy.conduwuit = server == "conduwuit"
    async with running(place.folder, replace(place.through(proxy), timeline_limit=10)) as bot:
        await bot.edge.ready.wait()
        bodies = await say_all(place, count)
        heard = [message.body for message in await bot.heard(*bodies)]
        assert Counter(heard) == Counter(bodies)


@pytest.mark.parametrize("server", ["Synapse", "conduwuit"])
async def test_what_was_said_while_the_bot_was_down_is_heard(place: Place, proxy: Proxy, server: str) -> None:
    """After a pause the bot hears all that it missed, in order and once, and nothing from before its time."""
    proxy.conduwuit = server == "conduwuit"
    settings = replace(place.through(proxy), timeline_limit=3, fresh=timedelta(0))
    await say_all(place, 20, "before its time")
    async with running(place.folder, settings) as bot:
        await bot.edge.ready.wait()
    bodies = [f"missed {n}" for n in range(25)]
    for body in bodies:
        await place.ada.say(place.room_id, body)
    async with running(place.folder, settings) as bot:
        assert [message.body for message in await bot.heard(*bodies)] == bodies


@pytest.mark.parametrize("server", ["Synapse", "conduwuit"])
@pytest.mark.parametrize("place_before", ["not a place at all", "999999999"], ids=["garbage", "newer"])
async def test_a_place_that_the_homeserver_does_not_know_loses_nothing(
    place: Place, proxy: Proxy, server: str, place_before: str
) -> None:
    """A homeserver that was restored, or is another one now, is heard again at once: all that was missed, and once."""
    proxy.conduwuit = server == "conduwuit"
    settings = replace(place.through(proxy), timeline_limit=3)
    async with running(place.folder, settings) as bot:
        await bot.edge.ready.wait()
        await place.ada.say(place.room_id, "before")
        await bot.heard("before")
        await bot.inbox.finish((await bot.inbox.open_messages())[0].event_id)
    bodies = await say_all(place, 12, "missed")
    async with opened(place.folder, settings) as bot:
        await bot.inbox.accept([], position=place_before)
    async with running(place.folder, settings) as bot:
        assert Counter(message.body for message in await bot.heard(*bodies)) == Counter(bodies)
        await place.ada.say(place.room_id, "after")
        await bot.heard("after")


async def test_a_room_that_was_left_out_is_heard_all_the_same(place: Place, proxy: Proxy) -> None:
    """What was said in a room that a sync skipped is found within the time of a look back, and accepted once."""
    proxy.conduwuit = True
    async with running(place.folder, replace(place.through(proxy), look_back=0.5, poll=1.0)) as bot:
        await bot.edge.ready.wait()
        await place.ada.say(place.room_id, "first")
        await bot.heard("first")
        proxy.skipped.add(place.room_id)
        await place.ada.say(place.room_id, "skipped")
        await bot.heard("skipped")
        proxy.skipped.clear()
        await place.ada.say(place.room_id, "last")
        heard = [message.body for message in await bot.heard("last")]
        assert Counter(heard) == Counter(["first", "skipped", "last"])


async def test_what_was_said_just_before_the_bot_came_is_heard(place: Place) -> None:
    """A bridge makes a room with the first message in it, before the bot can join."""
    await place.ada.say(place.room_id, "!hello")
    async with running(place.folder, place.settings) as bot:
        await bot.heard("!hello")


async def restart_often(place: Place) -> None:
    """Stop and start the bot again and again while somebody speaks, each time as if it had forgotten the last batch."""
    bodies: list[str] = []
    for turn in range(3):
        async with running(place.folder, place.settings) as bot:
            await bot.edge.ready.wait()
            bodies.append(f"turn {turn}")
            before = await bot.inbox.position()
            await place.ada.say(place.room_id, bodies[-1])
            heard = await bot.heard(bodies[-1])
            assert [message.body for message in heard] == bodies[-1:]
            await bot.inbox.finish(heard[0].event_id)
            assert before is not None
            await bot.inbox.accept([], position=before[0])


async def test_a_restart_runs_nothing_twice(place: Place) -> None:
    """A homeserver that answers a repeated sync from its cache replays old messages; they are not heard again."""
    await restart_often(place)


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Place]:
    """A homeserver for one test alone, which does not remember its answers."""
    async with AsyncExitStack() as stack:
        server = Homeserver(tmp_path / "homeserver", server_name="own.local", sync_cache="0s")
        yield await make_place(await stack.enter_async_context(server), tmp_path, stack)


async def test_the_homeserver_may_go_away_and_come_back(own: Place) -> None:
    """While the homeserver is away messages wait; when it is back they are sent, and people are heard."""
    await restart_often(own)
    async with running(own.folder, own.settings) as bot:
        await bot.edge.ready.wait()
        await own.homeserver.stop()
        await bot.say("While you were away", own.room_id)
        await asyncio.sleep(2)
        assert await bot.outbox.depth() == 1
        await own.homeserver.start()
        await bot.outbox.sent("While you were away")
        await own.ada.say(own.room_id, "!hello")
        await bot.heard("!hello")
        said = [line.body for line in await own.ada.lines(own.room_id)]
        assert said.count("While you were away") == 1


async def test_the_bot_may_start_before_its_homeserver(place: Place, proxy: Proxy) -> None:
    """A bot that starts while the homeserver is away begins as soon as that is there."""
    await proxy.refuse()
    async with running(place.folder, place.through(proxy)) as bot:
        await bot.say("early", place.room_id)
        await asyncio.sleep(0.5)
        await proxy.open()
        await bot.outbox.sent("early")
        await place.ada.say(place.room_id, "!hello")
        await bot.heard("!hello")
