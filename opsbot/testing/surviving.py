"""A durable engine in memory for a process that may be killed at any moment: what it has remembered is kept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from opsbot.model import Job
from opsbot.ports import Run
from opsbot.testing.engine import FakeRun

#: Seconds until something is remembered, and between two looks for jobs that nobody works on.
_DISK, _ROUND = 0.001, 15.0

Perform = Callable[[str, Run], Awaitable[None]]


@dataclass(kw_only=True)
class Disk:
    """What outlives the process: the steps of each work as JSON, and the works that have ended."""

    steps: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    #: How works broke; nobody goes on with these.
    broken: dict[str, str] = field(default_factory=dict)


class SurvivingEngine:
    """The port `Engine` on a disk. AT is told each place that a work comes to, like "in activate"."""

    def __init__(self, disk: Disk, *, at: Callable[[str], object]) -> None:
        self._disk = disk
        self._at = at
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: Set by whoever opens it.
        self.perform: Perform | None = None

    async def start(self, job: Job) -> None:
        """Start a job, once."""
        await asyncio.sleep(_DISK)
        self._disk.steps.setdefault(job.id, [])
        self._begin(job.id)

    def _begin(self, name: str) -> None:
        if name not in self._tasks and name not in self._disk.ended:
            self._tasks[name] = asyncio.create_task(self._see_through(name))

    async def _see_through(self, name: str) -> None:
        assert self.perform is not None  # noqa: S101 - set by whoever opens it
        try:
            await self.perform(name, FakeRun(self._disk.steps[name], self._at, disk=_DISK))
        except Exception as error:  # noqa: BLE001 - whatever it was, the job has come to no end
            self._disk.broken[name] = repr(error)
        self._disk.ended.add(name)

    async def run(self, open_jobs: Callable[[], Awaitable[list[Job]]]) -> None:
        """Go on with what was cut off, and see that every open job is worked on; for ever."""
        for name in self._disk.steps:
            self._begin(name)
        while True:
            for job in await open_jobs():
                await self.start(job)
            await asyncio.sleep(_ROUND)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The works of this process."""
        return list(self._tasks.values())
