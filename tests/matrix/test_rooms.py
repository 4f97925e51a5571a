import json
import uuid
from dataclasses import replace
from urllib.parse import quote

import pytest

from opsbot.errors import ChatRefusedError
from opsbot.matrix.edge import PROOF
from opsbot.matrix.events import BRIDGE_TYPES
from tests.matrix.bot import running
from tests.matrix.conftest import Place, until


async def test_a_room_may_be_named_by_its_alias(place: Place) -> None:
    """A configured alias is resolved, entered and listened to, also when it is made after the bot's start.

    The room is known by it from then on.
    """
    alias = f"ops-{uuid.uuid4().hex[:8]}"
    settings = replace(place.settings, rooms=frozenset({f"#{alias}:test.local"}))
    async with running(place.folder, settings) as bot:
        await bot.edge.ready.wait()
        assert list(bot.edge.rooms.problems) == [f"#{alias}:test.local"]
        room_id = await place.ada.create_room(place.bot_id, room_alias_name=alias)
        await place.ada.say(room_id, "!hello")
        await bot.heard("!hello")
        assert bot.edge.rooms.problems == {}
        assert (await bot.edge.room(room_id)).names == {f"#{alias}:test.local"}


async def test_invitations_are_followed_only_from_the_right_people(place: Place) -> None:
    """The bot goes where configured people invite it, and nowhere else."""
    friend, stranger = await place.speaker("friend"), await place.speaker("stranger")
    settings = replace(place.settings, inviters=frozenset({friend.user_id}))
    async with running(place.folder, settings) as bot:
        trap = await stranger.create_room(place.bot_id)
        await bot.edge.ready.wait()
        welcome = await friend.create_room(place.bot_id)
        await until(lambda: place.bot_is_in(welcome))
        assert not await place.bot_is_in(trap)


async def test_only_configured_rooms_are_listened_to(place: Place) -> None:
    """What is said in a room to which the bot was merely invited is not taken as a command."""
    settings = replace(place.settings, inviters=frozenset({place.ada.user_id}))
    async with running(place.folder, settings) as bot:
        await bot.edge.ready.wait()
        aside = await place.ada.create_room(place.bot_id)
        await place.ada.say(aside, "!deploy aside")
        await until(lambda: place.bot_is_in(aside))
        await place.ada.say(aside, "!deploy aside")
        await place.ada.say(place.room_id, "!hello")
        assert [message.body for message in await bot.heard("!hello")] == ["!hello"]


async def test_the_bot_comes_back_to_a_room_that_put_it_out(place: Place) -> None:
    """Put out of a configured room, the bot returns as soon as it is invited."""
    async with running(place.folder, place.settings) as bot:
        await bot.edge.ready.wait()
        content = {"user_id": place.bot_id}
        await place.ada.ask("POST", f"rooms/{place.room_id}/kick", content)

        async def noticed() -> bool:
            return bool(bot.edge.rooms.problems)

        await until(noticed)
        await place.ada.invite(place.room_id, place.bot_id)
        await until(lambda: place.bot_is_in(place.room_id))
        await place.ada.say(place.room_id, "!hello")
        await bot.heard("!hello")


async def test_a_room_tells_who_made_it_and_what_it_is_bridged_to(place: Place) -> None:
    """The facts of a room are its maker and its bridge events, and they follow its state."""
    bridge = {"network": {"id": "T0TEAM"}, "channel": {"id": "T0TEAM-C0OPS"}}
    for kind in BRIDGE_TYPES:
        await place.ada.set_state(place.room_id, kind, bridge, key="test.local/slack")
    async with running(place.folder, place.settings) as bot:
        await bot.edge.ready.wait()
        facts = await bot.edge.room(place.room_id)
        assert facts.creator == place.ada.user_id
        assert facts.bridges == ((place.ada.user_id, "test.local/slack", bridge),) * 2
        await place.ada.set_state(place.room_id, "m.bridge", {}, key="test.local/slack")

        async def changed() -> bool:
            return (await bot.edge.room(place.room_id)).bridges != facts.bridges

        await until(changed)


async def test_an_encrypted_room_is_told_once_for_ever(place: Place) -> None:
    """A room that turns encrypted hears once that the bot cannot read there, however often it starts."""
    algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
    async with running(place.folder, place.settings) as bot:
        await bot.edge.ready.wait()
        await place.ada.set_state(place.room_id, "m.room.encryption", algorithm)
        await bot.outbox.sent(f"encrypted:{place.room_id}")
    async with running(place.folder, place.settings) as bot:
        await bot.edge.ready.wait()
        await bot.edge.rooms.settle()
        await bot.say("more", place.room_id)
        await bot.outbox.sent("more")
    bodies = [line.body for line in await place.ada.lines(place.room_id)]
    assert len(bodies) == 2
    assert "encrypted" in bodies[0]


async def test_what_goes_through_a_room_comes_back_and_nobody_sees_it(place: Place) -> None:
    """A round trip is an event in the room that is no message; it takes seconds, not edits."""
    async with running(place.folder, place.settings) as bot:
        await bot.edge.ready.wait()
        assert await bot.edge.round_trip(place.room_id) > 0
        assert await bot.edge.round_trip(place.room_id) > 0
    proofs = json.dumps({"types": [PROOF]})
    page = await place.ada.ask("GET", f"rooms/{quote(place.room_id)}/messages", dir="b", limit=50, filter=proofs)
    assert len(page["chunk"]) == 2
    assert not await place.ada.lines(place.room_id)


async def test_a_room_that_lets_the_bot_say_nothing_is_no_round_trip(place: Place) -> None:
    """A round trip is refused where the bot's messages are."""
    async with running(place.folder, place.settings) as bot:
        await bot.edge.ready.wait()
        levels = {"users": {}, "events_default": 50}
        await place.ada.set_state(place.room_id, "m.room.power_levels", levels)
        with pytest.raises(ChatRefusedError):
            await bot.edge.round_trip(place.room_id)
