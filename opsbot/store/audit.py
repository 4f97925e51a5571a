"""The audit: lines that are only added, each bound by a hash to the one before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from opsbot.model import Job, Json, Outcome
from opsbot.store.database import Database
from opsbot.store.schema import audit
from opsbot.testimony import AuditEntry, AuditLine, Verdict

#: What the first line is bound to.
GENESIS = "opsbot"
#: The kinds of lines: a command with what was decided, a word on a request, the end of a job.
DECISION, WORD, END = "decision", "word", "end"
#: What a job has learnt that belongs into its last line.
_LEARNT = frozenset(
    {
        "system",
        "base",
        "generation_before",
        "generation",
        "commit",
        "pin",
        "pin_before",
        "decided",
        "published",
        "consent",
        "code",
        "overridden",
        "headline",
    }
)


def record_decision(connection: Connection, entry: AuditEntry, job: Job | None) -> None:
    """Append what somebody asked for, and what was decided."""
    about = {} if job is None else {"host": job.host, "project": job.project, "number": job.number}
    _append(
        connection,
        kind=DECISION,
        at=entry.at,
        person=entry.person,
        account=entry.account,
        room_id=entry.room_id,
        event_id=entry.event_id,
        what=entry.what,
        allowed=entry.decision.allowed,
        reason=entry.decision.words,
        job_id=None if job is None else job.id,
        more=about,
    )


def record_word(connection: Connection, verdict: Verdict, job: Job) -> None:
    """Append what somebody said to a request."""
    _append(
        connection,
        kind=WORD,
        at=verdict.at,
        person=verdict.person,
        account=verdict.account,
        room_id=job.room_id,
        event_id=job.event_id,
        what=f"word on #{job.number}",
        allowed=verdict.agreed,
        reason=verdict.reason,
        job_id=job.id,
        more={"system": verdict.system, "base": verdict.base, "alone": verdict.alone, "number": job.number},
    )


def record_end(connection: Connection, job: Job, outcome: Outcome, learnt: Mapping[str, Json], at: datetime) -> None:
    """Append how a job ended, with what it was about."""
    about = {"host": job.host, "project": job.project, "number": job.number, "outcome": outcome.value}
    _append(
        connection,
        kind=END,
        at=at,
        person=job.person,
        account="",
        room_id=job.room_id,
        event_id=job.event_id,
        what=f"{job.kind} {job.project} {job.target}".strip(),
        allowed=outcome in (Outcome.DONE, Outcome.UNCHANGED, Outcome.PLANNED),
        reason=str(learnt.get("headline", "")),
        job_id=job.id,
        more=about | {key: learnt[key] for key in sorted(_LEARNT) if learnt.get(key) is not None},
    )


_NEWEST = select(audit.c.hash).where(audit.c.hash.is_not(None)).order_by(audit.c.id.desc()).limit(1)


def _append(connection: Connection, *, at: datetime, more: Mapping[str, Json], **fields: Any) -> None:
    values = fields | {"at": at.astimezone(UTC).replace(tzinfo=None), "more": json.dumps(more, sort_keys=True)}
    before = connection.execute(_NEWEST).scalar_one_or_none() or GENESIS
    connection.execute(insert(audit), values | {"hash": line_hash(before, values)})


def line_hash(before: str, line: Mapping[str, Any]) -> str:
    """Bind a line to the hash of the one before it."""
    names = ("kind", "person", "account", "room_id", "event_id", "what", "reason", "job_id", "more")
    content = {name: line[name] for name in names}
    content |= {"at": line["at"].isoformat(timespec="microseconds"), "allowed": bool(line["allowed"])}
    return hashlib.sha256(f"{before}\n{json.dumps(content, sort_keys=True)}".encode()).hexdigest()


def broken_at(rows: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the number of the first line that does not follow from those before it; None when the chain holds.

    Lines that are older than the chain bind nobody; once it has begun, every line must be in it.
    """
    before = GENESIS
    for row in rows:
        if row["hash"] is None and before == GENESIS:
            continue
        if row["hash"] != line_hash(before, row):
            return int(row["id"])
        before = row["hash"]
    return None


class Audit:
    """Reads the audit; implements the port `Audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_job(self, job_id: str) -> list[AuditLine]:
        """Return the lines about a job, oldest first."""
        query = select(audit).where(audit.c.job_id == job_id).order_by(audit.c.id)
        return await self._database.read(lambda c: [_to_line(row) for row in c.execute(query).mappings()])

    async def after(self, number: int, *, limit: int = 100) -> list[AuditLine]:
        """Return the lines after the one of this NUMBER, oldest first."""
        query = select(audit).where(audit.c.id > number).order_by(audit.c.id).limit(limit)
        return await self._database.read(lambda c: [_to_line(row) for row in c.execute(query).mappings()])

    async def broken_at(self) -> int | None:
        """Return the number of the first line that does not follow from those before it, or None."""
        query = select(audit).order_by(audit.c.id)
        return await self._database.read(lambda c: broken_at(dict(row) for row in c.execute(query).mappings()))


def _to_line(row: RowMapping) -> AuditLine:
    values = dict(row)
    return AuditLine(
        number=values.pop("id"),
        at=values.pop("at").replace(tzinfo=UTC),
        kind=values.pop("kind") or DECISION,
        more=json.loads(values.pop("more") or "{}"),
        **values,
    )
