"""What passes between the tables of the message path and the homeserver."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opsbot.bridged import Portal
from opsbot.model import Message, Post, Text
from opsbot.ports import Outbox

#: Where in the stream of events the bot is.
POSITION = "matrix.position"


#: Why an edit is refused whose message was.
NOT_SENT = "The message that it edits was not sent."


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One row of the outbox whose turn it is."""

    post: Post
    #: The same for every try, so that the homeserver makes one event of them all.
    transaction: str
    #: The event that an edit replaces.
    target: str | None = None
    #: The event of the time before, which the bridge could not deliver: it is taken back.
    stale: str | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the bridge says of an event of ours: Slack has it, or the problem."""

    event_id: str
    problem: str = ""


class Letters(Outbox, Protocol):
    """The outbox as its sender sees it."""

    def next_write(self) -> asyncio.Event:
        """Return what is set when something may have been added."""
        ...

    async def rooms(self) -> list[str]:
        """Return the rooms for which something waits."""
        ...

    async def take(self, room_id: str, *, resting: Collection[str] = ()) -> Letter | None:
        """Return the first letter of a room, but no edit of the RESTING causes; from now on its content is fixed."""
        ...

    async def mark_sent(self, cause: str, event_id: str) -> None:
        """Note the event that a letter became."""
        ...

    async def mark_refused(self, cause: str, reason: str) -> None:
        """Note that the homeserver will never take a letter, and what it said."""
        ...


class Receipts(Protocol):
    """Whoever minds what the bridge says."""

    async def note(self, receipts: Sequence[Receipt]) -> None:
        """Take in what was said of events; of what was said before, nothing changes."""
        ...

    async def unconfirmed(self) -> frozenset[str]:
        """Return the events of the newest messages of which it has said nothing, where it says something."""
        ...


class Courier(Protocol):
    """The homeserver as the gate to the channels of Slack. Raises ChatUnreachableError when it is away."""

    async def portals(self) -> Sequence[Portal]:
        """Return the channels whose rooms the bot is in."""
        ...

    async def hand_in(self, room_id: str, text: Text, *, edits: str | None) -> str:
        """Say something in a channel, past the outbox, in place of the event EDITS; return the event that it became.

        Raises ChatRefusedError.
        """
        ...

    async def word_of(self, event_id: str, *, within: float) -> Receipt:
        """Wait WITHIN so many seconds for the bridge's word of an event that was handed in; silence is a problem."""
        ...


class Mailbox(Protocol):
    """The inbox as the sync loop sees it."""

    async def accept(
        self, messages: Sequence[Message], *, position: str | None, seen: Mapping[str, str] | None = None
    ) -> None:
        """Store new messages, the sync position and the last event SEEN of each room, in one transaction."""
        ...

    async def position(self) -> tuple[str, float] | None:
        """Return the stored sync position, and the Unix time at which it was stored."""
        ...

    async def seen(self) -> dict[str, str]:
        """Return the last event seen of each room that any sync has brought."""
        ...

    async def knows(self, event_ids: Collection[str]) -> frozenset[str]:
        """Return those events that were accepted before."""
        ...


class Memory(Protocol):
    """Small things that outlive the process."""

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key."""
        ...

    async def recall_all(self, prefix: str) -> dict[str, str]:
        """Return all that was remembered under keys that begin so, by the rest of the key."""
        ...

    async def remember(self, key: str, value: str) -> None:
        """Remember a value, in place of the former one."""
        ...

    async def forget(self, key: str) -> None:
        """Forget a key, if there is one."""
        ...
