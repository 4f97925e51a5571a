from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select, update

from opsbot.model import Post, Unsaid
from opsbot.store.address import Place
from opsbot.store.database import Database
from opsbot.store.inbox import Inbox
from opsbot.store.outbox import Outbox
from opsbot.store.records import CHUNK, Records
from opsbot.store.schema import inbox as events
from opsbot.store.schema import outbox as letters
from tests.store.conftest import leading
from tests.store.test_inbox import NOON, ROOM, message
from tests.store.test_outbox import bodies, post

TODAY = datetime.now(UTC)


@pytest.fixture
def records(database: Database) -> Records:
    """What the watchdog sees of the tables."""
    return Records(database)


async def said(database: Database, *, days_ago: float, causes: str = "%") -> None:
    """Make letters older than they are."""

    def change(connection: Connection) -> None:
        moment = (TODAY - timedelta(days=days_ago)).replace(tzinfo=None)
        connection.execute(update(letters).where(letters.c.cause.like(causes)).values(at=moment))

    await database.write(change)


async def count(database: Database) -> int:
    """Return how many letters there are."""
    return await database.read(lambda c: c.execute(select(func.count()).select_from(letters)).scalar_one())


async def everything(records: Records, now: datetime = TODAY) -> int:
    """Forget until there is nothing more to forget; return how many rows that were."""
    rows = 0
    while found := await records.prune(now):
        assert found <= CHUNK
        rows += found
    return rows


async def test_a_refused_message_is_told_once(database: Database, records: Records) -> None:
    """What the homeserver refused is told with its reason, together with being noted as told; then not again."""
    outbox = Outbox(database)
    await outbox.post(post("a"), post("b"))
    await outbox.mark_refused("a", "Too large.")
    told: list[Unsaid] = []

    def words(refused: object) -> list[Post]:
        told.extend(refused)  # type: ignore[arg-type]
        return [post("notice")]

    assert await records.tell_refused(words) == 1
    assert await records.tell_refused(words) == 0
    assert told == [Unsaid(cause="a", room_id=ROOM, thread=None, reason="Too large.")]
    assert await bodies(outbox) == ["b", "notice"]


async def test_an_edit_of_a_refused_message_is_not_told_as_well(database: Database, records: Records) -> None:
    """One refusal is told as one, however many edits there would have been."""
    outbox = Outbox(database)
    await outbox.post(post("a"), *(post(f"edit {n}", edits="a") for n in range(3)))
    await outbox.mark_refused("a", "Too large.")
    assert await outbox.take(ROOM) is None
    assert await records.tell_refused(lambda refused: [post(f"notice {len(refused)}")]) == 1
    assert await bodies(outbox) == ["notice 1"]


async def test_when_a_message_was_last_said(database: Database, records: Records) -> None:
    """The newest edit of a message is its news."""
    outbox = Outbox(database)
    assert await records.last_said("a") is None
    await outbox.post(post("a"))
    await said(database, days_ago=2)
    await outbox.post(post("b", edits="a"))
    await said(database, days_ago=1, causes="b")
    assert await records.last_said("a") == TODAY - timedelta(days=1)


async def test_old_edits_and_old_words_are_forgotten(database: Database, records: Records) -> None:
    """After a week the edits go, after a month the words; that a message was said, and as which event, stays."""
    outbox = Outbox(database)
    await outbox.post(post("a"), post("b", edits="a"))
    await bodies(outbox)
    await said(database, days_ago=6)
    assert await everything(records) == 0
    await said(database, days_ago=8)
    assert await everything(records) == 1
    assert await outbox.sent("a") == "$of-a"
    await said(database, days_ago=31)
    assert await everything(records) == 1
    assert await database.read(lambda c: c.execute(select(letters.c.body, letters.c.html)).all()) == [("", "")]

    await outbox.post(post("a", "again"), post("c", edits="a"))
    letter = await outbox.take(ROOM)
    assert letter is not None
    assert (letter.post.cause, letter.target) == ("c", "$of-a")


async def test_what_waits_is_never_forgotten(database: Database, records: Records) -> None:
    """A message that was not sent yet keeps its words, and a message that was not finished its place, however old."""
    outbox, inbox = Outbox(database), Inbox(database)
    await outbox.post(post("a"), post("b", edits="a"), post("c"))
    await said(database, days_ago=300)
    await inbox.accept([message("$old")], position="s1")
    assert await everything(records) == 0
    assert await bodies(outbox) == ["a", "b", "c"]
    assert len(await inbox.open_messages()) == 1


async def test_an_event_whose_id_is_forgotten_is_not_taken_for_a_new_one(where: Place) -> None:
    """Ids of finished events go after a month; what was said before that is not accepted any more, also later on."""
    async with leading(where) as database:
        inbox = Inbox(database)
        await inbox.accept([message("$old"), message("$new", minute=60 * 24 * 60)], position="s1")
        for event_id in ("$old", "$new"):
            await inbox.finish(event_id)
        # The place up to which was read is of today: the clocks of these events are set by hand.
        assert await everything(Records(database)) == 2
        assert await database.read(lambda c: c.execute(select(func.count()).select_from(events)).scalar_one()) == 0
    async with leading(where) as database:
        inbox = Inbox(database)
        await inbox.accept([message("$old"), message("$older", minute=-1)], position="s2")
        assert await inbox.open_messages() == []


async def test_ids_are_kept_as_long_as_the_homeserver_was_not_heard(database: Database, records: Records) -> None:
    """A bot that could not read for a year forgets nothing meanwhile: it will be told of all that again."""
    inbox = Inbox(database)
    await inbox.accept([message("$old")], position=None)
    await inbox.finish("$old")
    assert await everything(records, TODAY + timedelta(days=400)) == 0
    await inbox.accept([message("$old")], position="s1")
    assert await inbox.open_messages() == []


async def test_little_is_forgotten_at_a_time(database: Database, records: Records) -> None:
    """Forgetting a thousand edits takes many small transactions: a command in between hardly waits."""
    outbox = Outbox(database)
    await outbox.post(post("a"))
    await bodies(outbox)
    await outbox.post(*(post(f"edit {n}", edits="a") for n in range(CHUNK * 2 + 5)))
    await said(database, days_ago=8)
    assert await records.prune(TODAY) == CHUNK
    assert await everything(records) == CHUNK + 4  # the last edit was not replaced, and waits
    assert await count(database) == 2


async def test_letters_of_an_older_version_begin_to_age(database: Database, records: Records) -> None:
    """Rows without a time get the present one, and nobody is told of refusals of long ago."""
    outbox = Outbox(database)
    await outbox.post(post("a"))
    await outbox.mark_refused("a", "No.")
    await database.write(lambda c: c.execute(update(letters).values(at=None)))
    assert await records.tell_refused(lambda _: [post("notice")]) == 0
    assert await everything(records) == 1
    assert await records.tell_refused(lambda _: [post("notice")]) == 0
    assert await everything(records) == 0
    assert await records.last_said("a") > NOON  # type: ignore[operator]
