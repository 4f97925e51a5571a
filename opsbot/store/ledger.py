"""The bot's own record of jobs, locks, holds and decisions, beside the durable engine's tables."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from opsbot.model import Hold, Job, Json, Outcome, Post
from opsbot.store.audit import record_end, record_word
from opsbot.store.locks import Locks
from opsbot.store.outbox import insert_posts
from opsbot.store.rows import aware, find_job, naive, to_job
from opsbot.store.schema import holds, jobs, verdicts
from opsbot.store.texts import masked
from opsbot.testimony import Verdict


def open_job(connection: Connection, job: Job) -> Job:
    """Record a new job and return it with its number; one that is known already is returned as it is."""
    known = find_job(connection, job.id)
    if known is not None:
        return known
    connection.execute(
        insert(jobs).values(
            id=job.id,
            kind=job.kind.value,
            host=job.host,
            project=job.project,
            target=masked(connection, job.target),
            person=job.person,
            room_id=job.room_id,
            event_id=job.event_id,
            thread=job.thread,
            dry_run=job.dry_run,
            reason=masked(connection, job.reason),
            created_at=naive(job.created_at),
            stage=job.stage,
            details=job.details or {},
        )
    )
    opened = find_job(connection, job.id)
    assert opened is not None  # noqa: S101 - inserted two lines above, in this transaction
    return opened


class Ledger(Locks):
    """Jobs, locks and holds; implements the port `Jobs`."""

    async def job(self, name: str) -> Job | None:
        """Find a job by its number (with or without #) or its id."""
        word = name.removeprefix("#")
        number = int(word) if word.isascii() and word.isdigit() and len(word) < 10 else -1  # noqa: PLR2004 - fits SQLite

        def find(connection: Connection) -> Job | None:
            query = select(jobs).where(or_(jobs.c.id == word, jobs.c.number == number))
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else to_job(row)

        return await self._database.read(find)

    async def jobs(self, *, open_only: bool = False, limit: int = 20) -> list[Job]:
        """Return the newest jobs first; all open ones when OPEN_ONLY."""
        query = select(jobs).order_by(jobs.c.number.desc())
        query = query.where(jobs.c.ended_at.is_(None)) if open_only else query.limit(limit)
        return await self._database.read(lambda c: [to_job(row) for row in c.execute(query).mappings()])

    async def begin(self, job: Job) -> Job:
        """Record a job that no message asked for; one that is known is returned as it is."""
        return await self._database.write(lambda c: open_job(c, job))

    async def at_stage(self, job_id: str, stage: str, details: Mapping[str, Json] | None = None) -> None:
        """Record where an open job is, and add to what it has learnt."""

        def change(connection: Connection) -> None:
            job = find_job(connection, job_id)
            if job is not None and job.ended_at is None:
                learnt = masked(connection, json.loads(json.dumps({**job.details, **(details or {})})))
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(stage=stage, details=learnt))

        await self._database.write(change)

    async def end(self, job_id: str, outcome: Outcome, posts: Sequence[Post], details: Mapping[str, Json]) -> bool:
        """End a job together with its last messages; False, changing nothing, if it had ended before."""

        def change(connection: Connection) -> bool:
            job = find_job(connection, job_id)
            if job is None or job.ended_at is not None:
                return False
            now, learnt = datetime.now(UTC), masked(connection, {**job.details, **details})
            values = {"outcome": outcome.value, "stage": "ended", "ended_at": naive(now), "details": learnt}
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
            record_end(connection, job, outcome, learnt, now)
            insert_posts(connection, posts)
            return True

        return await self._database.write(change)

    async def give_verdict(self, verdict: Verdict) -> Verdict:
        """Store somebody's word on a request; return the one that counts, which is the first."""

        def change(connection: Connection) -> Verdict:
            first = _verdict(connection, verdict.job_id, verdict.system, verdict.base)
            if first is not None:
                return first
            said = masked(connection, vars(verdict)) | {"at": naive(verdict.at)}
            connection.execute(insert(verdicts).values(**said))
            if (job := find_job(connection, verdict.job_id)) is not None:
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
            return [Hold(**{**row, "since": aware(row["since"])}) for row in rows]

        return await self._database.read(find)

    async def hold(self, new: Sequence[Hold]) -> None:
        """Put holds; one on the same project of the same host is replaced."""

        def change(connection: Connection) -> None:
            newest = connection.execute(select(func.max(jobs.c.number))).scalar_one()
            for one in new:
                _release(connection, one.host, one.project)
                row = {"host": one.host, "project": one.project, "by": one.by, "reason": one.reason, "after": newest}
                connection.execute(insert(holds).values(**row, since=naive(one.since)))

        await self._database.write(change)

    async def unhold(self, host: str, project: str) -> None:
        """Take a hold away, if there is one."""
        await self._database.write(lambda c: _release(c, host, project))


def _verdict(connection: Connection, job_id: str, system: str, base: str) -> Verdict | None:
    this = (verdicts.c.job_id == job_id) & (verdicts.c.system == system) & (verdicts.c.base == base)
    row = connection.execute(select(verdicts).where(this)).mappings().one_or_none()
    return None if row is None else Verdict(**{**row, "at": aware(row["at"])})


def _release(connection: Connection, host: str, project: str) -> None:
    connection.execute(delete(holds).where((holds.c.host == host) & (holds.c.project == project)))
