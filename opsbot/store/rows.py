"""Rows of jobs, and times in them."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from opsbot.model import Job, JobKind, Outcome
from opsbot.store.schema import jobs


def naive(moment: datetime | None) -> datetime | None:
    """Return a time as the tables have it: SQLite keeps no zone, so all of them are UTC."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime | None) -> datetime | None:
    """Return a time out of the tables."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _member(kind: type[StrEnum], word: str) -> str:
    # The next version may have written a word that this one does not know: its rows must still be read.
    return kind(word) if word in set(kind) else word


def to_job(row: RowMapping) -> Job:
    """Return the job of a row."""
    values: dict[str, Any] = dict(row)
    values |= {
        "kind": _member(JobKind, values["kind"]),
        "outcome": None if values["outcome"] is None else _member(Outcome, values["outcome"]),
        "created_at": aware(values["created_at"]),
        "ended_at": aware(values["ended_at"]),
    }
    return Job(**values)


def find_job(connection: Connection, job_id: str) -> Job | None:
    """Return the job of an id, if there is one."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one_or_none()
    return None if row is None else to_job(row)


def open_jobs(connection: Connection) -> list[Job]:
    """Return the jobs that have not ended, newest first."""
    query = select(jobs).where(jobs.c.ended_at.is_(None)).order_by(jobs.c.number.desc())
    return [to_job(row) for row in connection.execute(query).mappings()]
