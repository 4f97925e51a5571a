"""What is remembered: messages, jobs, answers, the audit, and what plugins keep."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from opsbot.model import Hold, Job, Json, Message, Outcome, Post, Unsaid
from opsbot.ports.locks import Locks
from opsbot.testimony import AuditEntry, AuditLine, Verdict

#: So many messages are seen through at a time: what waits longer stays in the database.
MOST_OPEN = 1000


class Inbox(Protocol):
    """Every event that asks for something, once."""

    async def accept(self, messages: Sequence[Message], *, position: str | None) -> None:
        """Store new messages and the sync position in one transaction; those seen before are dropped."""
        ...

    async def open_messages(self) -> list[Message]:
        """Return the first MOST_OPEN of the messages that were accepted and not yet finished, oldest first."""
        ...

    async def dismiss(self, event_ids: Collection[str]) -> None:
        """Finish messages that get no answer, in one transaction."""
        ...

    async def finish(
        self, event_id: str, *, posts: Sequence[Post] = (), audit: AuditEntry | None = None, job: Job | None = None
    ) -> Job | None:
        """Finish a message: its answers, its audit entry and its job in one transaction; return the numbered job."""
        ...


class Jobs(Locks, Protocol):
    """The bot's own record of its jobs, beside the durable engine's."""

    async def job(self, name: str) -> Job | None:
        """Find a job by its number or its id."""
        ...

    async def jobs(self, *, open_only: bool = False, limit: int = 20) -> list[Job]:
        """Return jobs, newest first."""
        ...

    async def begin(self, job: Job) -> Job:
        """Record a job that no message asked for, once; return it with its number."""
        ...

    async def at_stage(self, job_id: str, stage: str, details: Mapping[str, Json] | None = None) -> None:
        """Record where a job is and add to what it has learnt. Ended jobs stay as they are."""
        ...

    async def end(self, job_id: str, outcome: Outcome, posts: Sequence[Post], details: Mapping[str, Json]) -> bool:
        """End a job together with its last messages, in one transaction; False if it had ended before."""
        ...

    async def give_verdict(self, verdict: Verdict) -> Verdict:
        """Store somebody's word on a request; return the one that counts, which is the first."""
        ...

    async def verdict(self, job_id: str, system: str, base: str) -> Verdict | None:
        """Return the word that was given on the request of a job for a system on a base."""
        ...

    async def holds(self) -> list[Hold]:
        """Return all holds."""
        ...

    async def hold(self, holds: Sequence[Hold]) -> None:
        """Put holds; one that exists is replaced."""
        ...

    async def unhold(self, host: str, project: str) -> None:
        """Take a hold away, if there is one."""
        ...


class Outbox(Protocol):
    """Messages on their way to a room."""

    async def post(self, *posts: Post) -> None:
        """Store messages to be sent. A known cause changes nothing; an edit replaces one that was not yet sent."""
        ...

    async def cause_of(self, event_id: str) -> str | None:
        """Return the cause of the message that an event is, or edits; None when it is none of ours."""
        ...

    async def sent(self, cause: str, *, within: float = 30.0) -> str:
        """Wait until the homeserver has taken a message; return its event id.

        Raises ChatRefusedError if it never will, ChatUnreachableError when WITHIN seconds are over.
        """
        ...


class Storage(Protocol):
    """What one plugin remembers: JSON values by keys. Raises StorageError when a key or a value is too large."""

    async def get(self, key: str, default: Json = None) -> Json:
        """Return the value of KEY; DEFAULT when there is none."""
        ...

    async def items(self, prefix: str = "") -> dict[str, Json]:
        """Return the values of all keys that begin with PREFIX, in the order of the keys."""
        ...

    async def set(self, key: str, value: Json) -> None:
        """Store VALUE under KEY, in place of the former one."""
        ...

    async def delete(self, key: str) -> bool:
        """Forget KEY; False when there was none."""
        ...

    async def update(self, key: str, change: Callable[[Json], Json], default: Json = None) -> Json:
        """Replace the value of KEY by what CHANGE makes of it, and return that; nobody else writes in between."""
        ...


class Deliveries(Protocol):
    """What other programs have delivered to hooks of plugins."""

    async def known(self, cause: str) -> bool:
        """Say whether a delivery was seen through before."""
        ...

    async def finish(self, cause: str, posts: Sequence[Post]) -> None:
        """Note that a delivery was seen through, together with what was said, in one transaction; only once."""
        ...


class Audit(Protocol):
    """What was asked for, decided and done; it is only added to, where these things are stored."""

    async def of_job(self, job_id: str) -> list[AuditLine]:
        """Return the lines about a job, oldest first."""
        ...

    async def after(self, number: int, *, limit: int = 100) -> list[AuditLine]:
        """Return the lines after the one of this NUMBER, oldest first."""
        ...

    async def broken_at(self) -> int | None:
        """Return the number of the first line that does not follow from those before it, or None."""
        ...


class Records(Protocol):
    """What stands in the tables that nobody has told yet, and what has stood there long enough."""

    async def tell_refused(self, words: Callable[[Sequence[Unsaid]], Sequence[Post]]) -> int:
        """Have WORDS said about messages that the homeserver refused, in one transaction, once; return how many."""
        ...

    async def last_said(self, cause: str) -> datetime | None:
        """Return when a message was last said or edited."""
        ...

    async def prune(self, now: datetime) -> int:
        """Forget a few rows that are of no use any more; return how many, 0 when there are none."""
        ...


class Diary(Protocol):
    """What was seen and said before."""

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key."""
        ...

    async def remember(self, key: str, value: str) -> None:
        """Remember a value, in place of the former one."""
        ...

    async def said(self, cause: str) -> bool:
        """Tell whether a message was posted before."""
        ...
