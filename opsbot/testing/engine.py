"""A durable engine in memory, which can be made to crash."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from opsbot.model import Job, Json
from opsbot.ports import Run


class StepCrash(BaseException):
    """The process died; only what was remembered is left."""


class FakeRun:
    """Steps that are remembered in a list, as JSON, as the real engine does.

    CRASH is told each place that it comes to, like "in activate"; with a DISK, each then takes so many seconds.
    """

    def __init__(
        self, memory: list[tuple[str, str]], crash: Callable[[str], object], *, disk: float | None = None
    ) -> None:
        self._memory = memory
        self._crash = crash
        self._disk = disk
        self._next = 0

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Replay a remembered step, or do it and remember it."""
        place, self._next = self._next, self._next + 1
        if place < len(self._memory):
            known, result = self._memory[place]
            if known != name:
                raise RuntimeError(f"The job was at {known!r} here before, and is at {name!r} now.")
            return json.loads(result)
        await self._come_to(f"before {name}")
        result = json.dumps(await work())
        await self._come_to(f"in {name}")
        self._memory.append((name, result))
        await self._come_to(f"after {name}")
        return json.loads(result)

    async def _come_to(self, place: str) -> None:
        self._crash(place)
        if self._disk is not None:
            await asyncio.sleep(self._disk)


class FakeEngine:
    """Runs jobs at once; `crash_at` names the places at which the process dies once, like "in activate"."""

    def __init__(self) -> None:
        self.perform: Callable[[str, Run], Awaitable[None]] | None = None
        self.on_tick: Callable[[str, datetime, Run], Awaitable[None]] | None = None
        self.crash_at: set[str] = set()
        self.reached: list[str] = []
        self._memories: dict[str, list[tuple[str, str]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, job: Job) -> None:
        """Start a job, once."""
        assert self.perform is not None  # noqa: S101 - the bench sets it
        self._start(job.id, partial(self.perform, job.id))

    async def tick(self, schedule: str, at: datetime) -> None:
        """Let the time of a schedule come, once."""
        assert self.on_tick is not None  # noqa: S101 - the bench sets it
        self._start(f"{schedule} {at.isoformat()}", partial(self.on_tick, schedule, at))

    def _start(self, name: str, work: Callable[[Run], Awaitable[None]]) -> None:
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._run(name, work))

    async def _run(self, name: str, work: Callable[[Run], Awaitable[None]]) -> None:
        memory = self._memories.setdefault(name, [])
        while True:
            try:
                await work(FakeRun(memory, self._crash))
            except StepCrash:
                continue  # the next process goes on
            return

    def _crash(self, place: str) -> None:
        self.reached.append(place)
        if place in self.crash_at:
            self.crash_at.discard(place)
            raise StepCrash

    async def finished(self, *, within: float | None = None) -> bool:
        """Wait until all jobs have ended, or for WITHIN seconds; tell whether they have."""
        while pending := [task for task in self._tasks.values() if not task.done()]:
            done, _ = await asyncio.wait(pending, timeout=within)
            for task in done:
                task.result()
            if not done:
                return False
        return True
