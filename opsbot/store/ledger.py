"""The bot's own record of jobs, locks, holds and decisions, beside the durable engine's tables."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update

from opsbot.model import Hold, Job, JobKind, Json, Outcome, Post
from opsbot.store.audit import record_end, record_word
from opsbot.store.database import Database
from opsbot.store.outbox import insert_posts
from opsbot.store.schema import holds, jobs, locks, verdicts
from opsbot.testimony import Verdict


def _naive(moment: datetime | None) -> datetime | None:
    # SQLite keeps no zone: all times in the tables are UTC.
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _member(kind: type[StrEnum], word: str) -> str:
    # The next version may have written a word that this one does not know: its rows must still be read.
    return kind(word) if word in set(kind) else word


def _to_job(row: RowMapping) -> Job:
    values: dict[str, Any] = dict(row)
    values |= {
        "kind": _member(JobKind, values["kind"]),
        "outcome": None if values["outcome"] is None else _member(Outcome, values["outcome"]),
        "created_at": _aware(values["created_at"]),
        "ended_at": _aware(values["ended_at"]),
    }
    return Job(**values)


def _job(connection: Connection, job_id: str) -> Job | None:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one_or_none()
    return None if row is None else _to_job(row)


def _holder(connection: Connection, host: str) -> Job | None:
    """Return the open job that has a host's lock; a job that has ended holds nothing."""
    job_id = connection.execute(select(locks.c.job_id).where(locks.c.host == host)).scalar_one_or_none()
    job = None if job_id is None else _job(connection, job_id)
    return None if job is None or job.ended_at is not None else job


def open_job(connection: Connection, job: Job) -> Job:
    """Record a new job and return it with its number; one that is known already is returned as it is."""
    known = _job(connection, job.id)
    if known is not None:
        return known
    connection.execute(
        insert(jobs).values(
            id=job.id,
            kind=job.kind.value,
            host=job.host,
            project=job.project,
            target=job.target,
            person=job.person,
            room_id=job.room_id,
            event_id=job.event_id,
            thread=job.thread,
            dry_run=job.dry_run,
            reason=job.reason,
            created_at=_naive(job.created_at),
            stage=job.stage,
            details=job.details or {},
        )
    )
    opened = _job(connection, job.id)
    assert opened is not None  # noqa: S101 - inserted two lines above, in this transaction
    return opened


def open_jobs(connection: Connection) -> list[Job]:
    """Return the jobs that have not ended, newest first."""
    query = select(jobs).where(jobs.c.ended_at.is_(None)).order_by(jobs.c.number.desc())
    return [_to_job(row) for row in connection.execute(query).mappings()]


class Ledger:
    """Jobs, locks and holds; implements the port `Jobs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def job(self, name: str) -> Job | None:
        """Find a job by its number (with or without #) or its id."""
        word = name.removeprefix("#")
        number = int(word) if word.isascii() and word.isdigit() and len(word) < 10 else -1  # noqa: PLR2004 - fits SQLite

        def find(connection: Connection) -> Job | None:
            query = select(jobs).where(or_(jobs.c.id == word, jobs.c.number == number))
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else _to_job(row)

        return await self._database.read(find)

    async def jobs(self, *, open_only: bool = False, limit: int = 20) -> list[Job]:
        """Return the newest jobs first; all open ones when OPEN_ONLY."""
        query = select(jobs).order_by(jobs.c.number.desc())
        query = query.where(jobs.c.ended_at.is_(None)) if open_only else query.limit(limit)
        return await self._database.read(lambda c: [_to_job(row) for row in c.execute(query).mappings()])

    async def begin(self, job: Job) -> Job:
        """Record a job that no message asked for; one that is known is returned as it is."""
        return await self._database.write(lambda c: open_job(c, job))

    async def at_stage(self, job_id: str, stage: str, details: Mapping[str, Json] | None = None) -> None:
        """Record where an open job is, and add to what it has learnt."""

        def change(connection: Connection) -> None:
            job = _job(connection, job_id)
            if job is not None and job.ended_at is None:
                learnt = json.loads(json.dumps({**job.details, **(details or {})}))
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(stage=stage, details=learnt))

        await self._database.write(change)

    async def end(self, job_id: str, outcome: Outcome, posts: Sequence[Post], details: Mapping[str, Json]) -> bool:
        """End a job together with its last messages; False, changing nothing, if it had ended before."""

        def change(connection: Connection) -> bool:
            job = _job(connection, job_id)
            if job is None or job.ended_at is not None:
                return False
            now, learnt = datetime.now(UTC), {**job.details, **details}
            values = {"outcome": outcome.value, "stage": "ended", "ended_at": _naive(now), "details": learnt}
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
            record_end(connection, job, outcome, learnt, now)
            insert_posts(connection, posts)
            return True

        return await self._database.write(change)

    async def take_lock(self, host: str, job_id: str) -> Job | None:
        """Take a host's lock; return the open job that holds it instead, if one does."""

        def change(connection: Connection) -> Job | None:
            holder = _holder(connection, host)
            if holder is not None and holder.id != job_id:
                return holder
            connection.execute(delete(locks).where(locks.c.host == host))
            connection.execute(insert(locks).values(host=host, job_id=job_id))
            return None

        return await self._database.write(change)

    async def lock_holder(self, host: str) -> Job | None:
        """Return the open job that holds a host's lock, if one does."""
        return await self._database.read(lambda c: _holder(c, host))

    async def free_lock(self, host: str, job_id: str) -> None:
        """Let go of a host's lock, if this job has it."""
        mine = delete(locks).where((locks.c.host == host) & (locks.c.job_id == job_id))
        await self._database.write(lambda c: c.execute(mine))

    async def give_verdict(self, verdict: Verdict) -> Verdict:
        """Store somebody's word on a request; return the one that counts, which is the first."""

        def change(connection: Connection) -> Verdict:
            first = _verdict(connection, verdict.job_id, verdict.system, verdict.base)
            if first is not None:
                return first
            connection.execute(insert(verdicts).values(**{**vars(verdict), "at": _naive(verdict.at)}))
            if (job := _job(connection, verdict.job_id)) is not None:
                record_word(connection, verdict, job)
            return verdict

        return await self._database.write(change)

    async def verdict(self, job_id: str, system: str, base: str) -> Verdict | None:
        """Return the word that was given on the request of a job for a system on a base."""
        return await self._database.read(lambda c: _verdict(c, job_id, system, base))

    async def holds(self) -> list[Hold]:
        """Return all holds, by host and project."""
        query = select(holds).order_by(holds.c.host, holds.c.project)

        def find(connection: Connection) -> list[Hold]:
            rows = connection.execute(query).mappings()
            return [Hold(**{**row, "since": _aware(row["since"])}) for row in rows]

        return await self._database.read(find)

    async def hold(self, new: Sequence[Hold]) -> None:
        """Put holds; one on the same project of the same host is replaced."""

        def change(connection: Connection) -> None:
            for one in new:
                _release(connection, one.host, one.project)
                row = {"host": one.host, "project": one.project, "by": one.by, "reason": one.reason}
                connection.execute(insert(holds).values(**row, since=_naive(one.since)))

        await self._database.write(change)

    async def unhold(self, host: str, project: str) -> None:
        """Take a hold away, if there is one."""
        await self._database.write(lambda c: _release(c, host, project))


def _verdict(connection: Connection, job_id: str, system: str, base: str) -> Verdict | None:
    this = (verdicts.c.job_id == job_id) & (verdicts.c.system == system) & (verdicts.c.base == base)
    row = connection.execute(select(verdicts).where(this)).mappings().one_or_none()
    return None if row is None else Verdict(**{**row, "at": _aware(row["at"])})


def _release(connection: Connection, host: str, project: str) -> None:
    connection.execute(delete(holds).where((holds.c.host == host) & (holds.c.project == project)))
