import asyncio

import pytest

from opsbot.errors import ChatRefusedError, ChatUnreachableError
from opsbot.model import Post, Text
from opsbot.store.address import Place
from opsbot.store.database import Database
from opsbot.store.outbox import Outbox, transaction_id
from tests.store.conftest import leading

ROOM = "!ops:test.local"


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """An empty outbox."""
    return Outbox(database)


def post(cause: str, body: str = "", *, edits: str | None = None, room: str = ROOM) -> Post:
    """A message that says its cause."""
    words = body or cause
    return Post(cause=cause, room_id=room, text=Text(body=words, html=words), edits=edits)


async def bodies(outbox: Outbox, room: str = ROOM) -> list[str]:
    """Send everything of a room and return what was said, in order."""
    said = []
    while (letter := await outbox.take(room)) is not None:
        said.append(letter.post.text.body)
        await outbox.mark_sent(letter.post.cause, f"$of-{letter.post.cause}")
    return said


async def test_messages_leave_in_the_order_in_which_they_came(outbox: Outbox) -> None:
    """Messages of a room are sent in order."""
    await outbox.post(post("a"), post("b"))
    await outbox.post(post("c"))
    assert await bodies(outbox) == ["a", "b", "c"]
    assert await outbox.depth() == 0


async def test_a_cause_is_said_once(outbox: Outbox) -> None:
    """A message whose cause is known changes nothing, before it was sent and after."""
    await outbox.post(post("a", "first"), post("a", "second"))
    assert await bodies(outbox) == ["first"]
    await outbox.post(post("a", "third"))
    assert await outbox.depth() == 0


async def test_rooms_do_not_mix(outbox: Outbox) -> None:
    """Each room has a queue of its own."""
    await outbox.post(post("a"), post("b", room="!other:test.local"))
    assert await outbox.rooms() == [ROOM, "!other:test.local"]
    assert await bodies(outbox) == ["a"]
    assert await outbox.rooms() == ["!other:test.local"]


async def test_an_edit_names_the_event_that_it_replaces(outbox: Outbox) -> None:
    """An edit waits for its message, and then knows its event."""
    await outbox.post(post("a"), post("b", edits="a"))
    first = await outbox.take(ROOM)
    assert first is not None
    await outbox.mark_sent("a", "$a")
    edit = await outbox.take(ROOM)
    assert edit is not None
    assert (edit.post.text.body, edit.target) == ("b", "$a")


async def test_edits_that_nobody_saw_collapse_into_the_last(outbox: Outbox) -> None:
    """While messages wait, only the last state of an edited one is kept to be sent."""
    await outbox.post(post("a"), *(post(f"edit {n}", edits="a") for n in range(50)), post("closing"))
    assert await outbox.depth() == 3
    assert await bodies(outbox) == ["a", "edit 49", "closing"]


async def test_an_edit_that_was_tried_keeps_its_words(outbox: Outbox) -> None:
    """The homeserver may have an edit that was tried: a newer one comes after it, not in its place."""
    await outbox.post(post("a"))
    await bodies(outbox)
    await outbox.post(post("b", edits="a"))
    tried = await outbox.take(ROOM)
    await outbox.post(post("c", edits="a"))
    again = await outbox.take(ROOM)
    assert tried == again
    assert await bodies(outbox) == ["b", "c"]


async def test_a_repeated_edit_does_not_bring_back_an_old_state(outbox: Outbox) -> None:
    """A step that runs again after a crash posts its edit again; the newer state stays."""
    await outbox.post(post("a"), post("b", edits="a"), post("c", edits="a"))
    await outbox.post(post("b", edits="a"))
    assert await bodies(outbox) == ["a", "c"]


async def test_an_edit_of_a_forgotten_message_says_it_anew(outbox: Outbox) -> None:
    """After a restore, an edit of a message that nobody knows still reaches the room, and can be edited on."""
    await outbox.post(post("b", edits="a"))
    assert await bodies(outbox) == ["b", "b"]
    await outbox.post(post("c", edits="a"))
    letter = await outbox.take(ROOM)
    assert letter is not None
    assert letter.target == "$of-a"


async def test_an_edit_of_an_edit_is_one_of_the_message(outbox: Outbox) -> None:
    """Whoever edits what was an edit already changes the message that was there first."""
    await outbox.post(post("a"), post("b", edits="a"), post("c", edits="b"))
    assert await bodies(outbox) == ["a", "c"]
    await outbox.post(post("d", edits="c"))
    letter = await outbox.take(ROOM)
    assert letter is not None
    assert letter.target == "$of-a"


async def test_resting_edits_let_others_pass(outbox: Outbox) -> None:
    """An edit that has to wait for its time holds up nobody."""
    await outbox.post(post("a"))
    await bodies(outbox)
    await outbox.post(post("b", edits="a"), post("c"))
    letter = await outbox.take(ROOM, resting=["a"])
    assert letter is not None
    assert letter.post.cause == "c"


async def test_a_refused_message_does_not_block_its_room(outbox: Outbox) -> None:
    """What the homeserver will never take is set aside with its edits; whoever waits for it is told why."""
    await outbox.post(post("a"), post("b", edits="a"), post("c"))
    await outbox.take(ROOM)
    await outbox.mark_refused("a", "You are not in that room.")
    assert await bodies(outbox) == ["c"]
    assert await outbox.depth() == 0
    with pytest.raises(ChatRefusedError, match="not in that room"):
        await outbox.sent("a")


async def test_one_can_wait_until_a_message_is_in_its_room(outbox: Outbox) -> None:
    """Waiting for a message gives its event's id as soon as it was sent."""
    await outbox.post(post("a"))
    waiting = asyncio.create_task(outbox.sent("a"))
    await bodies(outbox)
    assert await waiting == "$of-a"


async def test_waiting_for_a_replaced_edit_waits_for_the_next(outbox: Outbox) -> None:
    """Of an edit that a newer one replaced, the newer one's event is returned."""
    await outbox.post(post("a"), post("b", edits="a"), post("c", edits="a"))
    await bodies(outbox)
    assert await outbox.sent("b") == "$of-c"


async def test_waiting_ends(outbox: Outbox) -> None:
    """Whoever waits for a message that cannot be sent gets a sentence when the time is over."""
    await outbox.post(post("a"))
    with pytest.raises(ChatUnreachableError, match=r"within 0.01 s"):
        await outbox.sent("a", within=0.01)


async def test_texts_that_cannot_be_sent_are_cleaned(outbox: Outbox) -> None:
    """A build log may hold anything; what no homeserver takes is left out."""
    await outbox.post(post("a", "one\x00\x1b\ud800 two\n"))
    assert await bodies(outbox) == ["one? two\n"]


async def test_messages_wait_over_restarts(where: Place) -> None:
    """What was not sent is still there after a restart, with the same transaction id."""
    async with leading(where) as before:
        await Outbox(before).post(post("a"))
    async with leading(where) as after:
        letter = await Outbox(after).take(ROOM)
    assert letter is not None
    assert letter.transaction == transaction_id("a")


async def test_a_failed_change_leaves_nothing(database: Database, outbox: Outbox) -> None:
    """A change is stored as a whole or not at all."""
    with pytest.raises(ZeroDivisionError):
        await database.write(lambda connection: (connection.exec_driver_sql("DELETE FROM outbox"), 1 / 0))
    await outbox.post(post("a"))
    assert await outbox.depth() == 1
