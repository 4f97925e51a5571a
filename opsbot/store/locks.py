"""Who goes to a host, and who keeps others from it: locks of jobs and of people, and the line before the host."""

import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from opsbot.line import PASSED, WAITING, ahead, first_at_turn, outdated
from opsbot.locks import Lock
from opsbot.model import Job, Json
from opsbot.store.database import Database
from opsbot.store.rows import aware, find_job, naive, open_jobs
from opsbot.store.schema import jobs, locks, people_locks
from opsbot.store.texts import masked


class Locks:
    """Implements the port `Locks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def locks(self) -> list[Lock]:
        """Return the locks that people have put, by host and project."""
        query = select(people_locks).order_by(people_locks.c.host, people_locks.c.project)

        def find(connection: Connection) -> list[Lock]:
            return [Lock(**{**row, "since": aware(row["since"])}) for row in connection.execute(query).mappings()]

        return await self._database.read(find)

    async def put_lock(self, lock: Lock) -> Lock:
        """Put a lock, in place of an older one of the same person; return the one that stands, if it is another's."""
        place = (people_locks.c.host == lock.host) & (people_locks.c.project == lock.project)

        def change(connection: Connection) -> Lock:
            row = connection.execute(select(people_locks).where(place)).mappings().one_or_none()
            if row is not None and row["by"] != lock.by:
                return Lock(**{**row, "since": aware(row["since"])})
            connection.execute(delete(people_locks).where(place))
            connection.execute(
                insert(people_locks).values(**{**masked(connection, vars(lock)), "since": naive(lock.since)})
            )
            return lock

        return await self._database.write(change)

    async def take_away(self, lock: Lock) -> bool:
        """Take this very lock away; False, changing nothing, when it is gone or another one is in its place."""
        this = (people_locks.c.host == lock.host) & (people_locks.c.project == lock.project)
        mine = delete(people_locks).where(this & (people_locks.c.cause == lock.cause))
        return await self._database.write(lambda c: c.execute(mine).rowcount == 1)

    async def enter(self, job_id: str) -> Sequence[Job]:
        """Let a job pass to its host, or into the line before it; return those that go first. Empty: it has passed.

        What waits there with an older revision of the same project leaves the line for it.
        """

        def change(connection: Connection) -> Sequence[Job]:
            job, others = find_job(connection, job_id), open_jobs(connection)
            if job is None or job.details.get("replaced_by") or job.details.get("line") == PASSED:
                return []
            old = outdated(job, others)
            gone = {one.id for one in old}
            first = [one for one in ahead(job, others) if one.id not in gone]
            if first and "wait" not in job.options:
                return first
            for one in old:
                _learn(connection, one, replaced_by=job.number)
            replaces = sorted({*job.details.get("replaces", ()), *(one.number for one in old)})
            _learn(connection, job, line=WAITING if first else PASSED, **({"replaces": replaces} if replaces else {}))
            return first

        return await self._database.write(change)

    async def take_lock(self, host: str, job_id: str) -> Job | None:
        """Take a host's lock; return the open job that has it, or goes first, instead, if one does."""

        def change(connection: Connection) -> Job | None:
            holder, job = _holder(connection, host), find_job(connection, job_id)
            if holder is not None and holder.id != job_id:
                return holder
            first = job if job is None or holder is not None else first_at_turn(job, open_jobs(connection))
            if first is not None and first.id != job_id:
                return first
            connection.execute(delete(locks).where(locks.c.host == host))
            connection.execute(insert(locks).values(host=host, job_id=job_id))
            return None

        return await self._database.write(change)

    async def lock_holder(self, host: str) -> Job | None:
        """Return the open job that holds a host's lock, if one does."""
        return await self._database.read(lambda c: _holder(c, host))

    async def free_lock(self, host: str, job_id: str) -> None:
        """Let go of a host's lock, if this job has it."""
        mine: ColumnElement[bool] = (locks.c.host == host) & (locks.c.job_id == job_id)
        await self._database.write(lambda c: c.execute(delete(locks).where(mine)))


def _holder(connection: Connection, host: str) -> Job | None:
    """Return the open job that has a host's lock; a job that has ended holds nothing."""
    job_id = connection.execute(select(locks.c.job_id).where(locks.c.host == host)).scalar_one_or_none()
    job = None if job_id is None else find_job(connection, job_id)
    return None if job is None or job.ended_at is not None else job


def _learn(connection: Connection, job: Job, **learnt: Json) -> None:
    details = json.loads(json.dumps({**job.details, **learnt}))
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(details=details))
