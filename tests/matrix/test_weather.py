import asyncio
from dataclasses import replace

import pytest

from opsbot.errors import ChatUnreachableError
from opsbot.matrix.patience import AWAY, UNWELL, alive, pause, rest
from opsbot.matrix.problems import HomeserverUnwellError, TokenRefusedError
from tests.matrix.bot import running
from tests.matrix.conftest import Place, until
from tests.matrix.proxy import Mood, Proxy

BAD = [mood for mood in Mood if mood is not Mood.WELL]


@pytest.mark.parametrize("mood", BAD, ids=[mood.name.lower() for mood in BAD])
async def test_the_bot_outlives_bad_answers(place: Place, proxy: Proxy, mood: Mood) -> None:
    """Whatever a homeserver or what stands before it answers, the bot waits and goes on when it is well again."""
    settings = replace(place.through(proxy), patience=0.5, poll=1.0)
    async with running(place.folder, settings) as bot:
        await bot.edge.ready.wait()
        proxy.mood = mood
        await bot.say("answer", place.room_id)
        await place.ada.say(place.room_id, "!hello")
        await asyncio.gather(proxy.until_asked("sync", times=2), proxy.until_asked("send", times=2))
        proxy.mood = Mood.WELL
        await bot.heard("!hello")
        await bot.outbox.sent("answer")
    assert [line.body for line in await place.ada.lines(place.room_id)].count("answer") == 1


@pytest.mark.parametrize("mood", [Mood.HTML, Mood.FAILING, Mood.LIMITING, Mood.SENSELESS])
async def test_a_homeserver_that_is_unwell_is_left_in_peace(place: Place, proxy: Proxy, mood: Mood) -> None:
    """The bot does not hammer a homeserver that answers with errors."""
    async with running(place.folder, place.through(proxy)) as bot:
        await bot.edge.ready.wait()
        proxy.mood = mood
        await bot.say("answer", place.room_id)
        before = len(proxy.asked)
        await asyncio.sleep(1.0)
        assert len(proxy.asked) - before < 20


async def test_the_loop_shows_that_it_lives(place: Place, proxy: Proxy) -> None:
    """Each turn of the loop is told to the watchdog, also while the homeserver is away."""
    turns: list[None] = []
    async with running(place.folder, place.through(proxy), on_turn=lambda: turns.append(None)) as bot:
        await bot.edge.ready.wait()
        await proxy.refuse()
        before = len(turns)
        while len(turns) < before + 3:  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0.05)


async def test_a_room_that_cannot_be_read_silences_no_other(place: Place, proxy: Proxy) -> None:
    """A homeserver that fails at one room's state is asked a few times; then the other rooms are heard again."""
    other = await place.ada.create_room(place.bot_id)
    settings = replace(place.through(proxy), inviters=frozenset({place.ada.user_id}))
    async with running(place.folder, settings) as bot:
        await until(lambda: place.bot_is_in(other))
        proxy.unreadable.add(other)
        await place.ada.set_state(other, "m.bridge", {}, key="test.local/slack")
        await place.ada.say(place.room_id, "!hello")
        await bot.heard("!hello")


async def test_the_room_of_a_homeserver_that_is_away_is_unknown(place: Place, proxy: Proxy) -> None:
    """When nobody can tell what a room is, nobody claims to know."""
    async with running(place.folder, place.through(proxy)) as bot:
        await bot.edge.ready.wait()
        await proxy.refuse()
        with pytest.raises(ChatUnreachableError):
            await bot.edge.round_trip(place.room_id)
        with pytest.raises(ChatUnreachableError):
            await bot.edge.room("!other:test.local")


def test_pauses_grow_and_stop_growing() -> None:
    """Pauses grow to one second when nobody answers, and to ten when the answers are errors."""
    away = ChatUnreachableError()
    assert pause(1, away) <= 0.2
    assert all(AWAY / 2 <= pause(failures, away) <= AWAY for failures in (5, 50, 5000))
    for unwell in (HomeserverUnwellError(), TokenRefusedError()):
        assert all(UNWELL / 2 <= pause(failures, unwell) <= UNWELL for failures in (7, 5000))


def test_a_homeserver_is_left_alone_as_long_as_it_wants() -> None:
    """A homeserver that names a time is not asked before it is over."""
    assert pause(1, HomeserverUnwellError(wait=30.0)) >= 30.0


async def test_waiting_looks_alive() -> None:
    """Waiting and working show signs of life, and give back what came of them."""
    turns: list[None] = []

    async def work() -> str:
        return "done"

    await rest(0.01, lambda: turns.append(None))
    assert await alive(work(), lambda: turns.append(None)) == "done"
    assert len(turns) == 1
