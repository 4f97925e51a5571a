from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.letters import Letter, Receipt
from opsbot.model import Post, Text
from opsbot.receipts import MOST, Again, GiveUp, Shorter, verdict
from opsbot.store.database import Database
from opsbot.store.outbox import Outbox
from opsbot.store.receipts import Receipts

ROOM, OPS = "!portal:test", "!ops:test"


class Desk:
    """An outbox with its receipts, and a clock that is wound by hand."""

    def __init__(self, database: Database) -> None:
        self.outbox = Outbox(database)
        self.now = 0.0
        self.receipts = Receipts(database, alerts=lambda: OPS, now=lambda: self.now)

    async def send(self, cause: str, event_id: str, *, edits: str | None = None, body: str = "words") -> None:
        """Post a message and let it become an event."""
        text = Text(body=body, html=body)
        await self.outbox.post(Post(cause=cause, room_id=ROOM, text=text, edits=edits))
        await self.take()
        await self.outbox.mark_sent(cause, event_id)

    async def take(self, room: str = ROOM) -> Letter | None:
        """Take the letter whose turn it is."""
        return await self.outbox.take(room)

    async def fail(self, event_id: str, problem: str) -> None:
        """Let the bridge say that Slack did not take an event."""
        await self.receipts.note([Receipt(event_id=event_id, problem=problem)])


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk with an empty database."""
    database = Database(f"sqlite:///{tmp_path}/opsbot.db")
    yield Desk(database)
    await database.close()


async def test_what_was_not_delivered_is_sent_again_as_another_event(desk: Desk) -> None:
    """A message that Slack did not take is sent again under another transaction, and its first event is taken back."""
    await desk.outbox.post(Post(cause="a", room_id=ROOM, text=Text(body="words", html="words")))
    first = await desk.take()
    await desk.outbox.mark_sent("a", "$1")

    await desk.fail("$1", "internal_error")
    again = await desk.take()

    assert first is not None
    assert again is not None
    assert again.transaction != first.transaction
    assert (again.stale, again.post.text.body) == ("$1", "words")


async def test_what_was_said_before_changes_nothing(desk: Desk) -> None:
    """A receipt that is read twice, or comes late, does not send a message twice."""
    await desk.send("a", "$1")
    await desk.fail("$1", "internal_error")
    await desk.take()
    await desk.outbox.mark_sent("a", "$2")
    await desk.fail("$1", "internal_error")
    assert await desk.take() is None
    await desk.receipts.note([Receipt(event_id="$2")])
    await desk.fail("$2", "internal_error")
    assert await desk.take() is None
    assert (await desk.receipts.news()).problem == ""


async def test_the_pause_that_slack_asks_for_is_kept(desk: Desk) -> None:
    """After a 429 nothing is sent before the time that Slack named; other messages go."""
    desk.now = 10_000_000_000.0
    await desk.send("a", "$1")
    await desk.fail("$1", "slack rate limit exceeded, retry after 30s")
    await desk.outbox.post(Post(cause="b", room_id=ROOM, text=Text(body="b", html="b")))
    letter = await desk.take()
    assert letter is not None
    assert letter.post.cause == "b"
    news = await desk.receipts.news()
    assert (news.problem, news.waiting) == ("slack rate limit exceeded, retry after 30s", 1)


async def test_an_edit_waits_for_its_message(desk: Desk) -> None:
    """While a message has to be sent again its edits wait, and then aim at the event that it became."""
    await desk.send("a", "$1")
    await desk.fail("$1", "internal_error")
    await desk.outbox.post(Post(cause="e", room_id=ROOM, text=Text(body="newer", html="newer"), edits="a"))
    letter = await desk.take()
    assert letter is not None
    assert letter.post.cause == "a"
    await desk.outbox.mark_sent("a", "$2")
    edit = await desk.take()
    assert edit is not None
    assert (edit.post.cause, edit.target) == ("e", "$2")


async def test_an_edit_that_a_newer_one_has_overtaken_is_not_sent_again(desk: Desk) -> None:
    """Only the newest state of a message is worth sending again."""
    await desk.send("a", "$1")
    await desk.send("e1", "$2", edits="a")
    await desk.send("e2", "$3", edits="a")
    await desk.fail("$2", "internal_error")
    assert await desk.take() is None
    await desk.fail("$3", "internal_error")
    letter = await desk.take()
    assert letter is not None
    assert (letter.post.cause, letter.target, letter.stale) == ("e2", "$1", None)


async def test_what_is_too_long_is_cut(desk: Desk) -> None:
    """A message that Slack finds too long is sent again with half of its words."""
    await desk.send("a", "$1", body="x" * 3000)
    await desk.fail("$1", "msg_blocks_too_long")
    letter = await desk.take()
    assert letter is not None
    assert len(letter.post.text.body) <= 1500
    assert letter.post.text.body.endswith("(cut)")


async def test_what_is_given_up_is_told_in_the_other_room_once(desk: Desk) -> None:
    """A message that Slack will never take is told on Matrix with its words; what is lost there is not."""
    await desk.send("a", "$1", body="The deploy is done")
    await desk.fail("$1", "not_in_channel")
    await desk.fail("$1", "not_in_channel")
    letter = await desk.take(OPS)
    assert letter is not None
    assert "/invite" in letter.post.text.body
    assert "The deploy is done" in letter.post.text.body
    await desk.outbox.mark_sent(letter.post.cause, "$9")
    await desk.fail("$9", "not_in_channel")
    assert await desk.take(OPS) is None


async def test_what_nothing_was_said_of_is_known(desk: Desk) -> None:
    """Once the bridge speaks of messages, later ones of which it says nothing are known; also what is sent again."""
    await desk.send("before", "$0")
    await desk.send("b", "$2")
    await desk.send("a", "$1")
    assert await desk.receipts.unconfirmed() == frozenset()
    await desk.receipts.note([Receipt(event_id="$2")])
    assert await desk.receipts.unconfirmed() == {"$1"}
    await desk.fail("$1", "internal_error")
    assert await desk.receipts.unconfirmed() == frozenset()
    await desk.take()
    await desk.outbox.mark_sent("a", "$3")
    assert await desk.receipts.unconfirmed() == {"$3"}


async def test_a_word_may_come_before_its_event_is_known(desk: Desk) -> None:
    """What the bridge says before the homeserver's answer names the event counts when it does."""
    await desk.outbox.post(Post(cause="a", room_id=ROOM, text=Text(body="words", html="words")))
    await desk.take()
    await desk.fail("$1", "internal_error")
    await desk.outbox.mark_sent("a", "$1")
    await desk.receipts.note([])
    letter = await desk.take()
    assert letter is not None
    assert letter.stale == "$1"


def test_a_message_is_not_tried_for_ever() -> None:
    """Pauses grow up to five minutes, and after eight tries a message is given up."""
    waits = [verdict("internal_error", repeats) for repeats in range(MOST)]
    assert waits[:3] == [Again(wait=5.0), Again(wait=10.0), Again(wait=20.0)]
    assert waits[-1] == Again(wait=300.0)
    assert isinstance(verdict("internal_error", MOST), GiveUp)
    assert isinstance(verdict("msg_too_long", 0), Shorter)


def test_slacks_own_pause_is_kept() -> None:
    """As long as Slack wants a pause there is one, whether it is of seconds, minutes or hours."""
    said = "slack rate limit exceeded, retry after"
    assert verdict(f"{said} 3s", 0) == Again(wait=4.0)
    assert verdict(f"{said} 1m30s", 0) == Again(wait=91.0)
    assert verdict(f"{said} 1h0m5s", 0) == Again(wait=3606.0)


def test_what_a_person_can_mend_is_tried_again_and_told() -> None:
    """With a bad token messages are sent again, for a new one may come; who gives up says what would have helped."""
    assert verdict("token_revoked", 0) == Again(wait=5.0)
    given_up = verdict("token_revoked", MOST)
    assert isinstance(given_up, GiveUp)
    assert "opsbot slack login" in given_up.advice
