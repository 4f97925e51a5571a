"""What a bot does not do again when its database is an older one than it was: found out once, at its first start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, select, text, update

from opsbot.letters import POSITION
from opsbot.model import Job, Outcome, Post
from opsbot.store.audit import record_end
from opsbot.store.database import Database
from opsbot.store.inbox import POSITION_AT, forget_before
from opsbot.store.memory import drop, get, put
from opsbot.store.outbox import State, insert_posts
from opsbot.store.rows import open_jobs
from opsbot.store.schema import inbox, jobs, outbox, seen_rooms

#: When a copy was made; only copies have it, so a database that has it was put in place of another one.
BACKED_UP = "backup.made"
#: When that was.
RESTORED = "backup.restored"
#: Numbers of jobs that are left out: the room knows some of them as other jobs.
GAP = 1000


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A bot whose memory ends at one moment and goes on at another."""

    backed_up_at: datetime
    restored_at: datetime
    rooms: tuple[str, ...]
    #: Those that were open then; they are ended.
    jobs: tuple[Job, ...]


async def settle(
    database: Database, *, now: datetime, headline: Callable[[Job], str], words: Callable[[Restored], Sequence[Post]]
) -> Restored | None:
    """See that nothing of the time between a backup and its restoration is done again; None if it is no such database.

    What was said until then is neither run nor answered, what waited to be sent is not sent, what was open is ended
    with the HEADLINE, and instead the rooms get WORDS. All of it is one transaction, done once.
    """

    def change(connection: Connection) -> Restored | None:
        made = get(connection, BACKED_UP)
        if made is None:
            return None
        # Put in place by hand, it does not know when: then it is now.
        restored_at = datetime.fromisoformat(get(connection, RESTORED) or now.isoformat())
        put(connection, RESTORED, restored_at.isoformat())
        drop(connection, BACKED_UP)
        found = Restored(
            backed_up_at=datetime.fromisoformat(made),
            restored_at=restored_at,
            rooms=tuple(connection.execute(select(seen_rooms.c.room_id).order_by(seen_rooms.c.room_id)).scalars()),
            jobs=tuple(open_jobs(connection)),
        )
        _forget(connection, restored_at, headline)
        insert_posts(connection, words(found))
        return found

    return await database.write(change)


async def restored_at(database: Database) -> datetime | None:
    """Return when this database was put in place of another one."""
    when = await database.read(lambda c: get(c, RESTORED))
    return None if when is None else datetime.fromisoformat(when)


def _forget(connection: Connection, moment: datetime, headline: Callable[[Job], str]) -> None:
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    forget_before(connection, moment)
    connection.execute(update(inbox).where(inbox.c.done_at.is_(None)).values(done_at=naive, body="", html=None))
    if get(connection, POSITION) is not None:
        # The gap up to here is not read: nothing in it would be run.
        put(connection, POSITION_AT, str(moment.timestamp()))
    connection.execute(delete(outbox).where(outbox.c.state == State.WAITING))
    for job in open_jobs(connection):
        details = {**(job.details or {}), "headline": headline(job)}
        ended = {"outcome": Outcome.BROKEN, "stage": "ended", "ended_at": naive, "details": details}
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(**ended))
        record_end(connection, job, Outcome.BROKEN, details, moment)
    _leave_numbers_out(connection)


def _leave_numbers_out(connection: Connection) -> None:
    last = connection.scalar(select(func.max(jobs.c.number))) or 0
    if connection.dialect.name == "sqlite":
        connection.execute(text("UPDATE sqlite_sequence SET seq = :to WHERE name = 'jobs'"), {"to": last + GAP})
    else:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('jobs', 'number'), :to)"), {"to": last + GAP})
