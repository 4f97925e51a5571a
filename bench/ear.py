"""Somebody who listens in a room all the time, and so knows when something was said."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from opsbot.demo.speaker import Line, Speaker, lines_of

#: How a report begins while its job runs, and the number that it has.
_OPEN = "⏳"
_REPORT = re.compile(r"^\S+ #(?P<number>\d+) ")
_NOTHING: dict[str, list[str]] = {"types": []}


class UnheardError(Exception):
    """Something was not said in time."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """When a command was answered, on the clock of `time.monotonic`."""

    #: The answer; of a job, the line that tells the room its end.
    told: float
    #: The report of a job shows its end, too.
    shown: float


class Ear:
    """Follows a room on a homeserver by /sync."""

    def __init__(self, person: Speaker, room_id: str) -> None:
        self._person = person
        self._room_id = room_id
        self._events: list[Any] = []
        self._news = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, person: Speaker, room_id: str) -> AsyncIterator[Self]:
        """Listen from now on, until the block ends."""
        ear = cls(person, room_id)
        since = await ear._sync({}, wait=0)
        listening = asyncio.create_task(ear._listen(since))
        try:
            yield ear
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _listen(self, since: str) -> None:
        while True:
            since = await self._sync({"since": since}, wait=20_000)

    async def _sync(self, since: dict[str, str], *, wait: int) -> str:
        room = {"rooms": [self._room_id], "state": _NOTHING, "ephemeral": _NOTHING, "account_data": _NOTHING}
        timeline = {"types": ["m.room.message"], "limit": 1000}
        chosen = {"presence": _NOTHING, "account_data": _NOTHING, "room": room | {"timeline": timeline}}
        batch = await self._person.ask("GET", "sync", filter=json.dumps(chosen), timeout=wait, **since)
        for joined in batch.get("rooms", {}).get("join", {}).values():
            self._events += joined["timeline"]["events"]
        self._news.set()
        position: str = batch["next_batch"]
        return position

    async def answered(self, said: str, *, within: float) -> Heard:
        """Wait until the event SAID is answered to the end. Raises UnheardError."""
        try:
            async with asyncio.timeout(within):
                told = await self._until(lambda lines: told_in(lines, said))
                shown = await self._until(lambda lines: not any(one.body.startswith(_OPEN) for one in _on(lines, said)))
        except TimeoutError:
            raise UnheardError(f"No end within {within:g} s.") from None
        return Heard(told=told, shown=shown)

    async def _until(self, found: Callable[[list[Line]], bool]) -> float:
        while not found(lines_of(self._events)):
            self._news.clear()
            await self._news.wait()
        return time.monotonic()


def _on(lines: list[Line], said: str) -> list[Line]:
    return [line for line in lines if line.thread == said]


def told_in(lines: list[Line], said: str) -> bool:
    """Say whether there is an answer, and if that is a job's report, the line that closes the job."""
    answers = _on(lines, said)
    if not answers:
        return False
    report = _REPORT.match(answers[0].body)
    closing = f"(#{report['number']}, " if report else ""
    return not report or any(line.thread is None and closing in line.body for line in lines)
