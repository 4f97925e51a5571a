"""The service manager of the stand-in machine: what systemd's process 1 does for the programs that ask it."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from itertools import chain

from opsbot.standin import processes, units
from opsbot.standin.journal import Journal
from opsbot.standin.paths import Layout
from opsbot.standin.unit import Unit


class UnitError(Exception):
    """The manager's refusal, with the exit status that `systemctl` gives for it."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(eq=False)
class Timer:
    """A transient timer; it starts the service of its name once."""

    service: str
    due: float
    handle: asyncio.TimerHandle | None = None


@dataclass
class Manager:
    """All units of the machine, by name."""

    layout: Layout
    units: dict[str, Unit] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.journal = Journal(self.layout)

    def load(self, name: str) -> Unit:
        """Return a unit, its file read anew unless it runs. Raises UnitError if there is none."""
        known = self.units.get(name)
        if known is not None and (known.live or known.transient):
            return known
        try:
            text = (self.layout.units / units.template(name)).read_text()
        except OSError:
            if known is not None:
                return known
            raise UnitError(f"Unit {name} not found.", 5) from None
        file = units.moved(units.parse(name, text), self.layout.within)
        if known is None:
            known = self.units[name] = Unit(file, self.journal, self._environment())
        known.file = file
        return known

    def _environment(self) -> dict[str, str]:
        keep = {key: os.environ[key] for key in ("HOME", "TZ") if key in os.environ}
        return {**keep, "LANG": "C.UTF-8", "PATH": self.layout.search_path}

    async def start(self, name: str) -> None:
        """Start a unit and wait until it has started. Raises UnitError if it did not."""
        unit = self.load(name)
        await unit.stopped()
        unit = self.load(name)
        if not await unit.start():
            raise UnitError(
                f"Job for {name} failed because the control process exited with error code.\n"
                f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.'
            )

    def begin(self, name: str) -> None:
        """Start a unit without waiting. Raises UnitError only if there is none."""
        self.load(name)
        task = asyncio.create_task(self._quietly(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, name: str) -> None:
        try:
            await self.start(name)
        except UnitError as error:
            self.journal.write(name, "systemd", str(error).splitlines()[0])

    async def stop(self, name: str) -> None:
        """Stop a unit or a timer. Raises UnitError if it is not loaded."""
        if (timer := self.timers.pop(name, None)) is not None:
            if timer.handle is not None:
                timer.handle.cancel()
            if not self.units[timer.service].live:
                del self.units[timer.service]
            return
        if name not in self.units:
            raise UnitError(f"Unit {name} not loaded.", 5)
        await self.units[name].stop()

    def transient(self, text: str, command: list[str], name: str, after: float | None) -> None:
        """Make a unit out of TEXT that is in no file and runs COMMAND, now or AFTER so many seconds."""
        timer = name.removesuffix(".service") + ".timer"
        if name in self.units or timer in self.timers:
            taken = timer if after is not None else name
            raise UnitError(f"Unit {taken} was already loaded or has a fragment file.")
        file = units.parse(name, text)
        unit = Unit(units.with_command(file, command), self.journal, self._environment(), transient=True)
        unit.at_rest = self._unload
        self.units[name] = unit
        if after is None:
            self.begin(name)
        else:
            self.timers[timer] = Timer(name, time.monotonic() + after)
            self._wind(timer)

    def _unload(self, unit: Unit) -> None:
        if unit.active == "inactive":
            self.units.pop(unit.name, None)

    def _wind(self, name: str) -> None:
        timer = self.timers[name]
        if timer.handle is not None:
            timer.handle.cancel()
        left = max(timer.due - time.monotonic(), 0)
        timer.handle = asyncio.get_running_loop().call_later(left, self._elapse, name)

    def _elapse(self, name: str) -> None:
        self.begin(self.timers.pop(name).service)

    def skip(self, seconds: float) -> None:
        """Let SECONDS pass for every timer."""
        for name, timer in self.timers.items():
            timer.due -= seconds
            self._wind(name)

    def wanted(self) -> list[str]:
        """Return the services that belong to a running system."""
        return sorted(path.name for path in (self.layout.units / "multi-user.target.wants").glob("*.service"))

    async def boot(self) -> None:
        """Start what the system wants."""
        await asyncio.gather(*map(self._quietly, self.wanted()))

    def failed(self) -> list[Unit]:
        """Return the units that have failed."""
        return [unit for _, unit in sorted(self.units.items()) if unit.active == "failed"]

    async def halt(self, *, by_force: bool = False) -> None:
        """End every process of the machine; by force it is like pulling the plug."""
        for timer in self.timers.values():
            if timer.handle is not None:
                timer.handle.cancel()
        self.timers.clear()
        for task in [*self._tasks, *chain.from_iterable(unit.abandon() for unit in self.units.values())]:
            task.cancel()
        if not by_force:
            processes.send(processes.descendants(os.getpid()), signal.SIGTERM)
            await _until_none_is_left(2.0)
        processes.send(processes.descendants(os.getpid()), signal.SIGKILL)
        await _until_none_is_left(5.0)
        self.units.clear()


async def _until_none_is_left(seconds: float) -> None:
    end = time.monotonic() + seconds
    while processes.descendants(os.getpid()) and time.monotonic() < end:  # noqa: ASYNC110 -- nobody reports orphans
        await asyncio.sleep(0.01)
    processes.reap()
