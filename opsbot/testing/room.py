"""A homeserver in memory with one room: people talk there, and it takes what the bot sends, each transaction once."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsbot.errors import ChatUnreachableError
from opsbot.matrix.client import Client
from opsbot.model import Message, RoomFacts
from opsbot.ports import Clock
from opsbot.testing.configuration import ROOM

#: Seconds for each way between the bot and the homeserver.
_WIRE = 0.02


@dataclass(frozen=True, kw_only=True)
class Line:
    """A message of the bot as people see it: with its last edit."""

    event_id: str
    transaction: str
    thread: str | None
    body: str
    edits: int = 0


class FakeRoom(Client):
    """The port `Chat`, and what the sender asks; everything that was ever said is kept."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("http://nowhere.invalid", patience=1.0)
        self._clock = clock
        #: How many outages are not over yet.
        self.outages = 0
        #: How many answers are lost from now on, of what is taken.
        self.lose_next = 0
        #: What people said, oldest first, and what the bot said, by the event's id.
        self.heard: list[Message] = []
        self.lines: dict[str, Line] = {}
        self._events: dict[str, str] = {}

    def say(self, sender: str, body: str, *, reacts_to: str | None = None) -> str:
        """Say something as a person; return the event's id."""
        message = Message(
            event_id=f"$said{len(self.heard)}",
            room_id=ROOM,
            sender=f"@{sender}:example.org",
            body=body,
            sent_at=self._clock.now(),
            reacts_to=reacts_to,
        )
        self.heard.append(message)
        return message.event_id

    async def _cross(self) -> None:
        await asyncio.sleep(_WIRE)
        if self.outages:
            raise ChatUnreachableError

    async def since(self, place: int) -> Sequence[Message]:
        """Return what was said since a PLACE in the stream."""
        await self._cross()
        return self.heard[place:]

    async def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str | int] | None = None,
        content: Any = None,
        within: float | None = None,
    ) -> Any:
        """Take a message; the answer may be lost on its way."""
        del method, query, within
        await self._cross()
        event_id = self._take(path[-1], content)
        await self._cross()
        if self.lose_next:
            self.lose_next -= 1
            raise ChatUnreachableError
        return {"event_id": event_id}

    def _take(self, transaction: str, content: Any) -> str:
        if transaction not in self._events:
            event_id = self._events[transaction] = f"$bot{len(self._events)}"
            relation = content.get("m.relates_to", {})
            if relation.get("rel_type") == "m.replace":
                edited = self.lines[relation["event_id"]]
                body = content["m.new_content"]["body"]
                self.lines[edited.event_id] = replace(edited, body=body, edits=edited.edits + 1)
            else:
                thread = relation.get("event_id")
                self.lines[event_id] = Line(
                    event_id=event_id, transaction=transaction, thread=thread, body=content["body"]
                )
        return self._events[transaction]

    async def room(self, room_id: str) -> RoomFacts:
        """Return a plain room."""
        await self._cross()
        return RoomFacts(room_id=room_id)

    async def room_id(self, name: str) -> str:
        """Return the name: there is one room."""
        await self._cross()
        return name

    async def round_trip(self, room_id: str) -> float:
        """Send something through the room and read it back."""
        del room_id
        await self._cross()
        return 2 * _WIRE
