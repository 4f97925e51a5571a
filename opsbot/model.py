"""The values that travel between the floors. They import nothing of ours."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

#: A JSON value: the only kind that crosses a step of a job or the wire to a host.
Json = Any


class Level(IntEnum):
    """What a person may do; each level includes those below it."""

    STRANGER = 0
    MEMBER = 1
    CONTRIBUTOR = 2
    DEPLOYER = 3
    ADMIN = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody of the team, with all their accounts. Display names mean nothing."""

    name: str
    level: Level
    accounts: frozenset[str] = frozenset()
    #: Slack member ids, upper case.
    slack: frozenset[str] = frozenset()
    #: The projects that a deployer may deploy; None means all of them.
    projects: frozenset[str] | None = None


STRANGER = Person(name="stranger", level=Level.STRANGER)


@dataclass(frozen=True, kw_only=True)
class RoomFacts:
    """What a room's state says about who made it and what it is bridged to."""

    room_id: str
    creator: str = ""
    encrypted: bool = False
    is_space: bool = False
    #: What the configuration calls it: its aliases there.
    names: frozenset[str] = frozenset()
    #: (sender, state key, content) of each bridge event in the room.
    bridges: tuple[tuple[str, str, Json], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Message:
    """A text that somebody said in a room."""

    event_id: str
    room_id: str
    sender: str
    body: str
    sent_at: datetime
    #: The HTML form, when there is one.
    html: str | None = None
    #: The event that the thread hangs on, when it was said in one.
    thread: str | None = None
    #: The event that it is a reaction to; its sign is the body then.
    reacts_to: str | None = None


@dataclass(frozen=True, kw_only=True)
class Text:
    """One logical message: as plain words and as the HTML that survives the bridge."""

    body: str
    html: str


@dataclass(frozen=True, kw_only=True)
class Post:
    """A message that is to reach a room exactly once."""

    #: Unique for ever; the transaction id is derived from it.
    cause: str
    room_id: str
    text: Text
    thread: str | None = None
    #: The cause of the post that this one replaces.
    edits: str | None = None


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """A message that the homeserver did not take, and never will."""

    cause: str
    room_id: str
    thread: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """May they? With the reason, which is stored and shown, and where the rule stands that says so."""

    allowed: bool
    reason: str
    #: A path in the configuration, like `people.eve.level` or `rules[2]`.
    place: str = ""

    @property
    def words(self) -> str:
        """The reason together with its place."""
        return f"{self.reason} ({self.place})" if self.place else self.reason


class JobKind(StrEnum):
    """What a job does."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    #: The proof of what was made the default of the next boot, after that boot.
    PROVE = "prove"
    PUBLISH = "publish"


class Outcome(StrEnum):
    """How a job ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    REFUSED = "refused"
    FAILED = "failed"
    UNDONE = "undone"
    CANCELLED = "cancelled"
    BROKEN = "broken"
    #: It is the default of the next boot, and nothing runs differently yet.
    STAGED = "staged"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A piece of work that outlives the process that began it."""

    id: str
    #: Its name in chat; 0 until the store has given it one.
    number: int = 0
    kind: JobKind
    host: str
    #: The project, or "platform" for the host's own configuration; empty for a rollback of the host.
    project: str
    #: The revision or the generation that was asked for; empty for "the last one that was proved".
    target: str
    person: str
    room_id: str
    #: The command's event.
    event_id: str
    #: The event whose thread gets the report.
    thread: str
    dry_run: bool = False
    reason: str = ""
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stage: str = "waiting"
    outcome: Outcome | None = None
    #: What the job has learnt so far, for `!job`.
    details: Json = None
    ended_at: datetime | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The options that it was given, beside those with a field of their own."""
        return tuple((self.details or {}).get("options", ()))


def job_id(event_id: str) -> str:
    """Derive a job's id from the event that asked for it, so that a restored database cannot meet its own past."""
    digest = hashlib.sha256(event_id.encode()).digest()
    return "j" + base64.b32encode(digest).decode().lower()[:15]


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Nothing goes to this project until somebody deploys it on purpose."""

    host: str
    project: str
    by: str
    reason: str
    since: datetime
    #: The number of the newest job when it was put; an older version wrote none.
    after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a service answered when it was asked from outside."""

    ok: bool
    #: Seconds until the answer.
    latency: float = 0.0
    version: str = ""
    #: The sentence, when it is not well.
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class SlackLogin:
    """A login with Slack, as the bridge sees it."""

    id: str
    #: The workspace and the app's user.
    name: str
    #: The bridge's word, like CONNECTED.
    state: str
    #: The Unix time since when.
    since: float = 0.0
    #: The bridge's code for what is wrong, and its words.
    error: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class SlackNews:
    """When something last came from Slack and arrived there; and why what was sent last did not, with how many wait."""

    heard: datetime | None = None
    sent: datetime | None = None
    problem: str = ""
    waiting: int = 0
