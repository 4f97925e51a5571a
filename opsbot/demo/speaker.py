"""Somebody else in the room: a small client for the demo and the tests, spoken to the homeserver directly."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from opsbot.errors import OpsbotError


class SpeakerError(OpsbotError):
    """The homeserver refused what a speaker wanted."""


class AwayError(SpeakerError):
    """The homeserver is away; say it again when it is back."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A message as a person sees it in a room: with its last edit."""

    event_id: str
    sender: str
    body: str
    html: str = ""
    thread: str | None = None
    #: How often it was edited.
    edits: int = 0


def lines_of(events: list[Any]) -> list[Line]:
    """Read a room's events, oldest first, as its lines."""
    lines: dict[str, Line] = {}
    for event in events:
        content = event["content"]
        relation = content.get("m.relates_to", {})
        before = lines.get(relation.get("event_id", ""))
        if "body" not in content:
            continue
        if relation.get("rel_type") != "m.replace":
            thread = relation["event_id"] if relation.get("rel_type") == "m.thread" else None
            lines[event["event_id"]] = _line(event, content, thread=thread)
        elif before is not None and before.sender == event["sender"]:
            original = {"event_id": before.event_id, "sender": before.sender}
            newest = _line(original, content["m.new_content"], thread=before.thread, edits=before.edits + 1)
            lines[before.event_id] = newest
    return list(lines.values())


def _line(event: Any, content: Any, *, thread: str | None, edits: int = 0) -> Line:
    return Line(
        event_id=event["event_id"],
        sender=event["sender"],
        body=content["body"],
        html=content.get("formatted_body", ""),
        thread=thread,
        edits=edits,
    )


class Speaker:
    """An account on a homeserver, used as a person would."""

    def __init__(self, session: aiohttp.ClientSession, user_id: str) -> None:
        self._session = session
        self.user_id = user_id

    @classmethod
    @asynccontextmanager
    async def with_token(cls, url: str, token: str) -> AsyncIterator[Self]:
        """Speak with an access token."""
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(url, headers=headers) as session:
            speaker = cls(session, "")
            speaker.user_id = (await speaker.ask("GET", "account/whoami"))["user_id"]
            yield speaker

    async def ask(self, method: str, path: str, content: Any = None, **query: str | int) -> Any:
        """Ask the client-server API and return its answer.

        Raises SpeakerError with the homeserver's words, AwayError when it does not answer.
        """
        address = f"/_matrix/client/v3/{path}"
        body = {} if content is None and method != "GET" else content
        try:
            async with self._session.request(method, address, json=body, params=query) as answer:
                result = await answer.json()
        except aiohttp.ClientError as error:
            raise AwayError from error
        if not answer.ok:
            raise SpeakerError(f"{path}: {answer.status} {result.get('errcode')}: {result.get('error')}")
        return result

    async def create_room(self, *invited: str, **settings: Any) -> str:
        """Make a room, invite people to it, and return its id."""
        content = {"preset": "private_chat", "invite": invited, **settings}
        room_id: str = (await self.ask("POST", "createRoom", content))["room_id"]
        return room_id

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite somebody to a room."""
        await self.ask("POST", f"rooms/{quote(room_id, safe='')}/invite", {"user_id": user_id})

    async def join(self, room: str) -> None:
        """Join a room, by its id or alias."""
        await self.ask("POST", f"join/{quote(room, safe='')}")

    async def say(self, room_id: str, body: str, *, thread: str | None = None, html: str | None = None) -> str:
        """Say a text in a room or in a thread of it; return the event's id."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": body}
        if html is not None:
            content |= {"format": "org.matrix.custom.html", "formatted_body": html}
        if thread is not None:
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": thread}
        return await self.send(room_id, content)

    async def send(self, room_id: str, content: Any, *, kind: str = "m.room.message") -> str:
        """Send any event to a room and return its id."""
        path = f"rooms/{quote(room_id, safe='')}/send/{kind}/{uuid.uuid4().hex}"
        event_id: str = (await self.ask("PUT", path, content))["event_id"]
        return event_id

    async def set_state(self, room_id: str, kind: str, content: Any, *, key: str = "") -> None:
        """Set a piece of a room's state."""
        path = f"rooms/{quote(room_id, safe='')}/state/{kind}/{quote(key, safe='')}"
        await self.ask("PUT", path, content)

    async def events(self, room_id: str) -> list[Any]:
        """Return all message events of a room, oldest first."""
        path = f"rooms/{quote(room_id, safe='')}/messages"
        found: list[Any] = []
        query: dict[str, str | int] = {"dir": "b", "limit": 500, "filter": '{"types":["m.room.message"]}'}
        while True:
            page = await self.ask("GET", path, **query)
            found += page["chunk"]
            if not page.get("end") or not page["chunk"]:
                return found[::-1]
            query["from"] = page["end"]

    async def lines(self, room_id: str) -> list[Line]:
        """Return the messages of a room as a person sees them, oldest first."""
        return lines_of(await self.events(room_id))

    async def wait_for(self, room_id: str, found: Callable[[list[Line]], bool], *, within: float = 30.0) -> list[Line]:
        """Wait until FOUND likes the lines of a room, and return them. Raises SpeakerError with the last ones."""
        lines: list[Line] = []
        try:
            async with asyncio.timeout(within):
                while not found(lines):
                    lines = await self.lines(room_id)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            said = "\n".join(f"{line.sender}: {line.body}" for line in lines[-20:])
            raise SpeakerError(f"It was not said within {within:g} s. The last lines:\n{said}") from None
        return lines
