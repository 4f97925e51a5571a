"""A world in which faults are dealt, whatever it is made of."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from opsbot.demo.speaker import Line, Speaker, SpeakerError, lines_of
from tests.faults.oracle import Books, Host
from tests.faults.plan import Fault
from tests.faults.seen import Progress

#: What asking a homeserver raises while it is away.
AWAY = (aiohttp.ClientError, TimeoutError, SpeakerError, OSError)
_ANSWER = 5.0
#: Messages that are asked for at a time.
_PAGE = 100
#: Seconds in which the moment of a fault must come.
_PATIENCE = 120.0


class Ground(ABC):
    """A host, a homeserver, a bot and a team in its room."""

    #: Who asks for deploys, and who says hello meanwhile.
    deployer: Speaker
    member: Speaker
    room_id: str
    #: Where the host's helper keeps its jobs, as seen from here; the bot's database.
    state: Path
    database: Path
    #: Where everything is that may tell more.
    folder: Path

    def __init__(self) -> None:
        self._events: list[Any] = []

    @abstractmethod
    async def host(self) -> Host:
        """Look at the host."""

    @abstractmethod
    def release(self, version: str) -> str:
        """Commit something new to the project; return the commit."""

    @abstractmethod
    async def before(self, fault: Fault) -> None:
        """Get ready for a fault, before the command is said."""

    @abstractmethod
    async def strike(self, fault: Fault, progress: Progress) -> bool:
        """Deal the fault, wait as long as it lasts, and end it; say whether there was anything to hit."""

    @abstractmethod
    async def after(self, fault: Fault) -> None:
        """Be as before the fault, once its story is over."""

    @abstractmethod
    def books(self) -> Books:
        """Read the bot's database."""

    @abstractmethod
    def evidence(self) -> dict[str, Path]:
        """Return the files and folders that may tell more, by the names under which they are kept."""

    async def say(self, speaker: Speaker, words: str) -> str:
        """Say something in the room; return its event. Raises one of AWAY."""
        async with asyncio.timeout(_ANSWER):
            return await speaker.say(self.room_id, words)

    async def lines(self) -> Sequence[Line]:
        """Return the messages of the room; those seen last while the homeserver is away."""
        with suppress(*AWAY):
            async with asyncio.timeout(_ANSWER):
                self._events += await self._news()
        return lines_of(self._events)

    async def _news(self) -> list[Any]:
        """Return the room's messages since those that were seen, oldest first."""
        known = {event["event_id"] for event in self._events[-_PAGE:]}
        query: dict[str, str | int] = {"dir": "b", "limit": _PAGE, "filter": '{"types":["m.room.message"]}'}
        found: list[Any] = []
        while True:
            page = await self.member.ask("GET", f"rooms/{quote(self.room_id, safe='')}/messages", **query)
            new = [event for event in page["chunk"] if event["event_id"] not in known]
            found += new
            if len(new) < len(page["chunk"]) or not page["chunk"] or not page.get("end"):
                return found[::-1]
            query["from"] = page["end"]


class MissedError(Exception):
    """The moment of a fault did not come."""


async def happens(true: Callable[[], object]) -> None:
    """Wait until something is true. Raises MissedError."""
    try:
        async with asyncio.timeout(_PATIENCE):
            while not true():  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise MissedError from None


async def comes(fault: Fault, progress: Progress) -> None:
    """Wait for the moment of a fault. Raises MissedError."""
    await happens(lambda: progress.reached(fault.at))
    await asyncio.sleep(fault.after)
