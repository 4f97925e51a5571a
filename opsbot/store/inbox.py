"""Every event that asks for something, once."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, text, update

from opsbot.letters import POSITION
from opsbot.model import Job, Message, Post
from opsbot.ports import MOST_OPEN
from opsbot.store.audit import record_decision
from opsbot.store.database import Database
from opsbot.store.ledger import open_job
from opsbot.store.memory import get, put
from opsbot.store.outbox import insert_posts
from opsbot.store.schema import inbox, seen_rooms
from opsbot.store.texts import clean, masked
from opsbot.testimony import AuditEntry

POSITION_AT = f"{POSITION}.at"
#: What was said before this Unix time is not accepted any more: its ids are forgotten.
FLOOR = "inbox.floor"
#: How the names begin that the bridge has for itself.
GHOST = "@slack_"
#: What an SQL statement takes as a list, with room to spare.
_CHUNK = 500


class Inbox:
    """Accepted messages; implements the ports `Inbox` and `Mailbox`.

    The words of an event are kept until it is finished; its id as long as it could come again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(
        self, messages: Sequence[Message], *, position: str | None, seen: Mapping[str, str] | None = None
    ) -> None:
        """Store new messages, the sync position and the last event SEEN of each room, in one transaction.

        Messages that are known already are dropped, and those that are from before what the bot remembers. What a
        member of Slack said is known by its time, too: a bridge that has forgotten what it brought brings it again.
        """

        def change(connection: Connection) -> None:
            _insert_new(connection, messages)
            _look(connection, seen or {})
            if position is not None:
                put(connection, POSITION, position)
                put(connection, POSITION_AT, str(time.time()))

        await self._database.write(change)

    async def position(self) -> tuple[str, float] | None:
        """Return the stored sync position and the Unix time at which it was stored; None before the first sync."""

        def find(connection: Connection) -> tuple[str, float] | None:
            position = get(connection, POSITION)
            return None if position is None else (position, float(get(connection, POSITION_AT) or 0))

        return await self._database.read(find)

    async def seen(self) -> dict[str, str]:
        """Return the last event seen of each room that any sync has brought."""
        query = select(seen_rooms.c.room_id, seen_rooms.c.event_id)
        return await self._database.read(lambda c: {row.room_id: row.event_id for row in c.execute(query)})

    async def knows(self, event_ids: Collection[str]) -> frozenset[str]:
        """Return those of the events that were accepted before."""
        return await self._database.read(lambda c: _known(c, event_ids))

    async def open_messages(self) -> list[Message]:
        """Return the first MOST_OPEN of the messages that were accepted and not yet finished, oldest first."""
        query = select(inbox).where(inbox.c.done_at.is_(None)).order_by(inbox.c.seq).limit(MOST_OPEN)
        return await self._database.read(lambda c: [_to_message(row) for row in c.execute(query).mappings()])

    async def dismiss(self, event_ids: Collection[str]) -> None:
        """Finish messages that get no answer, in one transaction."""
        done = update(inbox).where(inbox.c.event_id == bindparam("id"), inbox.c.done_at.is_(None))
        rows = [{"id": event_id} for event_id in event_ids]
        await self._database.write(lambda c: c.execute(done.values(done_at=_now(), body="", html=None), rows))

    async def finish(
        self, event_id: str, *, posts: Sequence[Post] = (), audit: AuditEntry | None = None, job: Job | None = None
    ) -> Job | None:
        """Store a message's answers, its audit entry and its job, and mark it done, in one transaction.

        Return the job with its number. A message that is finished already stays as it was.
        """

        def change(connection: Connection) -> Job | None:
            done = update(inbox).where(inbox.c.event_id == event_id, inbox.c.done_at.is_(None))
            first = connection.execute(done.values(done_at=_now(), body="", html=None)).rowcount == 1
            opened = None if job is None else open_job(connection, job)
            if first:
                insert_posts(connection, posts)
                if audit is not None:
                    record_decision(connection, audit, opened)
            return opened

        return await self._database.write(change)


def _now() -> datetime:
    # SQLite keeps no zone: all times in the tables are UTC.
    return datetime.now(UTC).replace(tzinfo=None)


def _known(connection: Connection, event_ids: Collection[str]) -> frozenset[str]:
    wanted = list(event_ids)
    found: set[str] = set()
    for start in range(0, len(wanted), _CHUNK):
        query = select(inbox.c.event_id).where(inbox.c.event_id.in_(wanted[start : start + _CHUNK]))
        found.update(connection.execute(query).scalars())
    return frozenset(found)


def forget_before(connection: Connection, moment: datetime) -> None:
    """Accept nothing any more that was said before a MOMENT, within a transaction of somebody else's."""
    put(connection, FLOOR, str(max(moment.timestamp(), float(get(connection, FLOOR) or 0))))


def _insert_new(connection: Connection, messages: Sequence[Message]) -> None:
    if not messages:
        return
    floor = float(get(connection, FLOOR) or 0)
    new = {message.event_id: message for message in messages if message.sent_at.timestamp() > floor}
    for known in _known(connection, new):
        del new[known]
    for again in _brought_again(connection, list(new.values())):
        del new[again]
    if new:
        # Before anything reads it: what is cut or quoted later may be half a secret, which nobody knows any more.
        rows = [_to_row(message) for message in new.values()]
        hidden = [row | {key: masked(connection, row[key]) for key in ("body", "html")} for row in rows]
        connection.execute(insert(inbox), hidden)


def _brought_again(connection: Connection, messages: Sequence[Message]) -> list[str]:
    """Return the events of what ghosts said before: nobody says two things in one channel in the same millisecond.

    The room does not count: a bridge whose database was lost makes a new one for the same channel.
    """
    said = {message.event_id: _moment(message) for message in messages if message.sender.startswith(GHOST)}
    known: set[object] = set()
    times = sorted({moment[1] for moment in said.values()})
    for start in range(0, len(times), _CHUNK):
        there = inbox.c.sent_at.in_(times[start : start + _CHUNK])
        rows = connection.execute(select(inbox.c.sender, inbox.c.sent_at, inbox.c.reacts_to).where(there))
        known.update((row.sender, row.sent_at, row.reacts_to is None) for row in rows)
    again = []
    for event_id, moment in said.items():
        if moment in known:
            again.append(event_id)
        known.add(moment)
    return again


def _moment(message: Message) -> tuple[str, datetime, bool]:
    return message.sender, message.sent_at.astimezone(UTC).replace(tzinfo=None), message.reacts_to is None


_SEE = text(
    "INSERT INTO seen_rooms (room_id, event_id) VALUES (:room, :event) "
    "ON CONFLICT (room_id) DO UPDATE SET event_id = excluded.event_id"
)


def _look(connection: Connection, seen: Mapping[str, str]) -> None:
    if seen:
        connection.execute(_SEE, [{"room": room_id, "event": event_id} for room_id, event_id in seen.items()])


def _to_row(message: Message) -> dict[str, object]:
    return {
        "event_id": message.event_id,
        "room_id": message.room_id,
        "sender": message.sender,
        "body": clean(message.body),
        "html": None if message.html is None else clean(message.html),
        "thread": message.thread,
        "reacts_to": message.reacts_to,
        "sent_at": _moment(message)[1],
    }


def _to_message(row: RowMapping) -> Message:
    return Message(
        event_id=row["event_id"],
        room_id=row["room_id"],
        sender=row["sender"],
        body=row["body"],
        html=row["html"],
        thread=row["thread"],
        reacts_to=row["reacts_to"],
        sent_at=row["sent_at"].replace(tzinfo=UTC),
    )
