"""What happened, as frozen values. Whoever sees it tells; the log and the figures listen."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opsbot.errors import OpsbotError, RefusedError, UsageError
from opsbot.model import Job, Outcome


class End(StrEnum):
    """How a command ended."""

    ANSWERED = "answered"
    JOB = "job"
    REFUSED = "refused"
    USAGE = "usage"
    FAILED = "failed"
    BROKEN = "broken"


def end_of(problem: Exception | None, *, allowed: bool, job: bool) -> End:
    """Say how a command ended: by what kept it from being done, by the decision on it, and whether it left a JOB."""
    match problem:
        case None if not allowed:
            return End.REFUSED
        case None:
            return End.JOB if job else End.ANSWERED
        case UsageError():
            return End.USAGE
        case RefusedError():
            return End.REFUSED
        case OpsbotError():
            return End.FAILED
        case _:
            return End.BROKEN


class Said(StrEnum):
    """How a question to a host ended."""

    YES = "yes"
    NO = "no"
    NOTHING = "unreachable"
    LEFT = "left"  # whoever asked had heard enough, or was stopped
    BROKEN = "broken"  # the bot's own fault


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A command was understood, and it was decided whether the person may give it."""

    command: str
    person: str
    event: str
    room: str
    allowed: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A command was seen through, and what came of it is stored."""

    #: The name of a command that there is; empty for all others.
    command: str
    person: str
    event: str
    end: End
    seconds: float
    #: The number of the job that came of it.
    job: int | None = None


class TooMuch(StrEnum):
    """By what a command, or a job, is more than a limit allows."""

    PERSON = "person"
    ROOM = "room"
    STRANGERS = "strangers"
    QUEUED = "queued"
    JOBS = "jobs"


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A command, or a job, was more than a limit allows."""

    why: TooMuch


@dataclass(frozen=True, kw_only=True)
class JobBegun:
    """A job is at work: for the first time, or again after the bot was away."""

    job: Job


@dataclass(frozen=True, kw_only=True)
class StageBegun:
    """A job has come to a stage."""

    job: Job
    stage: str


@dataclass(frozen=True, kw_only=True)
class StageEnded:
    """A job is through with a stage."""

    job: Job
    stage: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class JobEnded:
    """A job has ended; its seconds count from the command."""

    job: Job
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, kw_only=True)
class HostAsked:
    """A host was asked for a verb."""

    host: str
    verb: str
    said: Said
    seconds: float


@dataclass(frozen=True, kw_only=True)
class HostLost:
    """A host that had answered, or was never asked before, does not."""

    host: str
    why: str


@dataclass(frozen=True, kw_only=True)
class HostBack:
    """A host that was lost answers again, after so many seconds."""

    host: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ChatLost:
    """The homeserver is away or unwell."""

    why: str


@dataclass(frozen=True, kw_only=True)
class ChatBack:
    """The homeserver answers again, after so many failures."""

    failures: int


@dataclass(frozen=True, kw_only=True)
class Synced:
    """A sync was taken in."""


Event = (
    Decided
    | Answered
    | PassedOver
    | JobBegun
    | StageBegun
    | StageEnded
    | JobEnded
    | HostAsked
    | HostLost
    | HostBack
    | ChatLost
    | ChatBack
    | Synced
)
Listener = Callable[[Event], None]


def nothing() -> None:
    """Do nothing."""


def nobody(event: Event) -> None:
    """Listen to nothing."""
    del event
