"""What is kept of who asked for something, who agreed, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from opsbot.model import Decision, Json


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One line of the audit: who asked for what, and what was decided."""

    at: datetime
    person: str
    account: str
    room_id: str
    event_id: str
    what: str
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """A line of the audit as it was written."""

    number: int
    at: datetime
    #: "decision", "word" or "end"; a later version may know more.
    kind: str
    person: str
    account: str
    room_id: str
    event_id: str
    what: str
    allowed: bool
    reason: str
    job_id: str | None
    more: Json
    #: Binds it to the line before; None in lines from before there was a chain.
    hash: str | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What somebody said to a request: bound to the system that was built and to the one that ran."""

    job_id: str
    system: str
    base: str
    agreed: bool
    person: str
    account: str
    reason: str
    #: Whether it is the word of who asked, because nobody else could agree.
    alone: bool
    at: datetime
