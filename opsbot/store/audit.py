"""The audit: lines that are only added, each bound by a hash to the one before it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, literal_column, select

from opsbot.model import Job, Json, Outcome
from opsbot.store.database import Database
from opsbot.store.schema import audit
from opsbot.store.texts import clean, masked
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
    fields, more = masked(connection, fields), masked(connection, dict(more))
    # A host may say anything, and no end of a job may be lost for it.
    fields = {key: clean(one) if isinstance(one, str) else one for key, one in fields.items()}
    values = fields | {"at": at.astimezone(UTC).replace(tzinfo=None), "more": json.dumps(more, sort_keys=True)}
    before = connection.execute(_NEWEST).scalar_one_or_none() or GENESIS
    connection.execute(insert(audit), values | {"hash": line_hash(before, values)})


def line_hash(before: str, line: Mapping[str, Any]) -> str:
    """Bind a line to the hash of the one before it."""
    names = ("kind", "person", "account", "room_id", "event_id", "what", "reason", "job_id", "more")
    content = {name: line[name] for name in names}
    content |= {"at": _moment(line["at"]).isoformat(timespec="microseconds"), "allowed": bool(line["allowed"])}
    return hashlib.sha256(f"{before}\n{json.dumps(content, sort_keys=True)}".encode()).hexdigest()


def _moment(at: Any) -> datetime:
    """Return the time of a line; what is no time as this database writes it is a ValueError."""
    if isinstance(at, datetime):
        return at
    moment = datetime.fromisoformat(str(at))
    if str(at) != moment.isoformat(" ", "microseconds"):
        raise ValueError
    return moment


def _follows(before: str, row: Mapping[str, Any]) -> bool:
    try:
        return row["allowed"] in (0, 1) and row["hash"] == line_hash(before, row)
    except (TypeError, ValueError):
        return False  # SQLite takes anything anywhere; nothing that is not ours has a hash of ours


def broken_at(rows: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the number of the first line that does not follow from those before it; None when the chain holds.

    Lines that are older than the chain bind nobody; once it has begun, every line must be in it.
    """
    before = GENESIS
    for row in rows:
        if row["hash"] is None and before == GENESIS:
            continue
        if not _follows(before, row):
            return int(row["id"])
        before = row["hash"]
    return None


def audit_rows(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """Yield every line as the table has it, oldest first, whatever somebody has written there."""
    # By the names alone: what is no time, or no text, must be read all the same.
    columns: list[ColumnElement[Any]] = [literal_column(column.name).label(column.name) for column in audit.columns]
    raw = select(audit).with_only_columns(*columns).select_from(audit)
    for row in connection.execute(raw.order_by(audit.c.id)).mappings():
        yield dict(row)


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
        return await self._database.read(lambda c: broken_at(audit_rows(c)))


def _to_line(row: RowMapping) -> AuditLine:
    values = dict(row)
    return AuditLine(
        number=values.pop("id"),
        at=values.pop("at").replace(tzinfo=UTC),
        kind=values.pop("kind") or DECISION,
        more=json.loads(values.pop("more") or "{}"),
        **values,
    )
