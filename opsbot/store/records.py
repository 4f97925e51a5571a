"""What stands in the tables that nobody has told yet, and what has stood there long enough."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, and_, delete, func, or_, select, true, update

from opsbot.letters import NOT_SENT
from opsbot.model import Post, Unsaid
from opsbot.store.database import Database
from opsbot.store.inbox import POSITION_AT, forget_before
from opsbot.store.memory import Memory, get
from opsbot.store.outbox import State, insert_posts
from opsbot.store.schema import inbox, outbox

#: Ids of events are kept so long before the place up to which was read: nothing older comes again.
SEEN = timedelta(days=30)
#: Edits are the bulk of what is sent; the last state of a message stays a while longer than those before.
EDITS, WORDS = timedelta(days=7), timedelta(days=30)
#: Rows of one transaction: whoever writes meanwhile should not notice.
CHUNK = 200

_OVER = outbox.c.state.in_([State.SENT, State.REFUSED, State.REPLACED])


class Records:
    """The tables as those see them who watch; implements the ports `Records` and `Diary`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        memory = Memory(database)
        self.recall, self.remember = memory.recall, memory.remember

    async def said(self, cause: str) -> bool:
        """Tell whether a message was posted before."""
        query = select(outbox.c.seq).where(outbox.c.cause == cause)
        return await self._database.read(lambda c: c.execute(query).first()) is not None

    async def tell_refused(self, words: Callable[[Sequence[Unsaid]], Sequence[Post]]) -> int:
        """Have WORDS said about messages that the homeserver refused, in one transaction, once; return how many."""
        untold = and_(outbox.c.state == State.REFUSED, outbox.c.told.is_(None), outbox.c.at.is_not(None))
        query = select(outbox).where(untold).order_by(outbox.c.seq).limit(CHUNK)

        def change(connection: Connection) -> int:
            rows = connection.execute(query).mappings().all()
            # What follows from another refusal is not one more.
            found = [
                Unsaid(cause=row["cause"], room_id=row["room_id"], thread=row["thread"], reason=row["reason"] or "")
                for row in rows
                if row["reason"] != NOT_SENT
            ]
            insert_posts(connection, words(found) if found else [])
            mine = outbox.c.seq.in_([row["seq"] for row in rows])
            connection.execute(update(outbox).where(mine).values(told=True))
            return len(found)

        if not await self._database.read(lambda c: c.execute(query.limit(1)).first()):
            return 0
        return await self._database.write(change)

    async def last_said(self, cause: str) -> datetime | None:
        """Return when a message was last said or edited."""
        query = select(func.max(outbox.c.at)).where(or_(outbox.c.cause == cause, outbox.c.edits == cause))
        moment = await self._database.read(lambda c: c.execute(query).scalar_one_or_none())
        return None if moment is None else moment.replace(tzinfo=UTC)

    async def prune(self, now: datetime) -> int:
        """Forget a few rows that are of no use any more; return how many, 0 when there are none."""
        return await self._database.write(lambda c: _prune(c, now.astimezone(UTC).replace(tzinfo=None)))


def _prune(connection: Connection, now: datetime) -> int:
    return (
        _forget_events(connection)
        or _forget_edits(connection, now - EDITS)
        or _forget_words(connection, now - WORDS)
        or _begin_to_age(connection, now)
    )


def _forget_events(connection: Connection) -> int:
    read_up_to = float(get(connection, POSITION_AT) or 0)
    floor = datetime.fromtimestamp(max(read_up_to - SEEN.total_seconds(), 0), UTC)
    old = and_(inbox.c.sent_at < floor.replace(tzinfo=None), inbox.c.done_at.is_not(None))
    found = connection.execute(select(inbox.c.seq).where(old).limit(CHUNK)).scalars().all()
    if found:
        # In the same transaction: an event whose id is forgotten must never be taken for a new one.
        forget_before(connection, floor)
        connection.execute(delete(inbox).where(inbox.c.seq.in_(found)))
    return len(found)


def _forget_edits(connection: Connection, before: datetime) -> int:
    old = and_(outbox.c.edits.is_not(None), _OVER, outbox.c.at < before)
    found = connection.execute(select(outbox.c.seq).where(old).limit(CHUNK)).scalars().all()
    if found:
        connection.execute(delete(outbox).where(outbox.c.seq.in_(found)))
    return len(found)


def _forget_words(connection: Connection, before: datetime) -> int:
    """Forget what was said, not that it was: its cause is never said again, and its event can be edited."""
    old = and_(outbox.c.edits.is_(None), _OVER, outbox.c.at < before, outbox.c.body != "")
    found = connection.execute(select(outbox.c.seq).where(old).limit(CHUNK)).scalars().all()
    if found:
        connection.execute(update(outbox).where(outbox.c.seq.in_(found)).values(body="", html=""))
    return len(found)


def _begin_to_age(connection: Connection, now: datetime) -> int:
    """Give rows of a version that did not note the time the present one."""
    some = select(outbox.c.seq).where(outbox.c.at.is_(None)).limit(CHUNK)
    found = connection.execute(some).scalars().all()
    if found:
        told = update(outbox).where(outbox.c.seq.in_(found)).values(at=now, told=true())
        connection.execute(told)
    return len(found)
