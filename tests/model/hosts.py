"""The host of the model and a machine with the real helper, asked in the same words."""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from opsbot.errors import HostError
from opsbot.standin.machine import Machine
from opsbot.testing.living import LivingHost
from opsbot.testing.mishaps import power_cut
from opsbot.testing.virtual import VirtualClock, VirtualLoop
from tests.onhost.bench import Bench, SaidNoError

#: What a dead man waits for at most is over by then.
_LATE = 3600.0
#: Seconds in which a part of a job must have come where a story wants it.
_PATIENCE = 60.0


class Host(ABC):
    """A host, and in `heard` what it said and became, in words that do not depend on which one it is."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    async def ask(self, verb: str, job: str = "job1", **given: Any) -> None:
        """Ask one verb about a job; how that was answered is heard."""
        try:
            await self.answer(verb, {"job": job, **given})
        except (HostError, SaidNoError) as no:
            self.heard.append((verb, job, no.code))
        else:
            self.heard.append((verb, job, "ok"))

    async def until(self, part: str, *statuses: str, job: str = "job1") -> Any:
        """Wait until a part of a job is at one of the statuses; where and how it is, is heard."""
        async with asyncio.timeout(_PATIENCE):
            while (found := self.part(job, part)).get("status") not in statuses:  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.05)
        error = (found.get("error") or {}).get("code")
        self.heard.append((part, job, found["status"], found.get("proved"), error))
        return found

    async def build(self, job: str = "job1") -> Any:
        """Build a project's newest commit; return what was built."""
        await self.ask("prepare", job, project="hello-bot", revision="main")
        return await self.until("prepare", "built", "failed", job=job)

    async def activate(self, job: str = "job1") -> Any:
        """Build and activate, until it waits for a word; return what was built."""
        built = await self.build(job)
        await self.ask("activate", job, base=built["base"])
        await self.until("activate", "waiting", job=job)
        return built

    async def number(self, system: str) -> int:
        """Return the number of a system's generation."""
        return next(int(one["generation"]) for one in await self.answer("generations", {}) if one["system"] == system)

    async def look(self, **systems: str) -> None:
        """Hear what runs, what the next boot brings and which generations there are, by the names of SYSTEMS."""
        names = {path: name for name, path in systems.items()}
        runs, default = await self.running(), await self.default()
        known = [
            (names.get(one["system"]), one["proved"])
            for one in await self.answer("generations", {})
            if one["system"] in names
        ]
        self.heard.append(("runs", names.get(runs, "another"), "boots", names.get(default, "another"), sorted(known)))

    @abstractmethod
    async def answer(self, verb: str, given: dict[str, Any]) -> Any:
        """Ask one verb. Raises HostError or SaidNoError."""

    @abstractmethod
    def part(self, job: str, part: str) -> Any:
        """Return a part of a job; an empty one when nobody asked for it."""

    @abstractmethod
    async def running(self) -> str:
        """Return the system that runs."""

    @abstractmethod
    async def default(self) -> str:
        """Return the system of the next boot."""

    @abstractmethod
    async def kill(self) -> None:
        """Kill what activates the first job."""

    @abstractmethod
    async def late(self) -> None:
        """Let so much time pass that every dead man has come."""

    @abstractmethod
    async def reboot(self) -> None:
        """Cut the power, and boot."""

    @abstractmethod
    async def by_hand(self) -> None:
        """Let somebody put another system in place."""


class ModelHost(Host):
    """The host of the model, in a time of its own."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._host = LivingHost(VirtualClock(loop))

    async def answer(self, verb: str, given: dict[str, Any]) -> Any:
        """Ask one verb. Raises HostError."""
        return await self._host.ask(verb, given)

    def part(self, job: str, part: str) -> Any:
        """Return a part of a job; an empty one when nobody asked for it."""
        return self._host.state({"job": job})[part] or {}

    async def running(self) -> str:
        """Return the system that runs."""
        return str(self._host.running["system"])

    async def default(self) -> str:
        """Return the system of the next boot."""
        return str(next(one["system"] for one in self._host.generations if one["current"]))

    async def kill(self) -> None:
        """Kill what activates the first job."""
        assert self._host.kill("job1", "activate")

    async def late(self) -> None:
        """Let so much time pass that every dead man has come."""
        await asyncio.sleep(_LATE)

    async def reboot(self) -> None:
        """Cut the power, and boot."""
        power_cut(self._host)
        while self._host.away:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(1)

    async def by_hand(self) -> None:
        """Let somebody put another system in place, without a generation."""
        former = self._host.running
        self._host.run_now({**former, "generation": None, "system": "/nix/store/by-hand"})


class RealHost(Host):
    """A machine with the real helper."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self._bench = Bench(machine)

    async def answer(self, verb: str, given: dict[str, Any]) -> Any:
        """Ask one verb. Raises SaidNoError."""
        return await self._bench.ask(verb, **given)

    def part(self, job: str, part: str) -> Any:
        """Return a part of a job; an empty one when nobody asked for it."""
        return self._bench.part(job, part) or {}

    async def running(self) -> str:
        """Return the system that runs."""
        return str(self._machine.running())

    async def default(self) -> str:
        """Return the system of the next boot, as the profile and the boot loader name it."""
        profile = self._bench.default()
        assert profile == self._machine.layout.boot_default.readlink()
        return str(profile)

    async def kill(self) -> None:
        """Kill what activates the first job."""
        os.kill(await self._bench.pid("opsbot-activate@job1.service"), signal.SIGKILL)

    async def late(self) -> None:
        """Let so much time pass that every dead man has come."""
        await self._machine.elapse(_LATE)

    async def reboot(self) -> None:
        """Cut the power, and boot."""
        await self._machine.reboot()

    async def by_hand(self) -> None:
        """Let somebody put another system in place, without a generation."""
        running = self._machine.layout.running
        third = Path(self._machine.layout.profile.with_name("system-29-link").readlink())
        running.unlink()
        running.symlink_to(third)
