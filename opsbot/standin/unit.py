"""One unit of the stand-in machine as it runs: its process, its state, and what the journal hears of it."""

import asyncio
import contextlib
import signal
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.standin import processes
from opsbot.standin.journal import Journal
from opsbot.standin.notification import Notification
from opsbot.standin.units import UnitFile

#: systemd's own: five starts in ten seconds.
_STARTS, _STARTS_WITHIN = 5, 10.0
#: systemd's exit status for a program that could not be executed.
_NO_EXEC = 203
#: Ends that systemd calls clean.
_CLEAN = {0, *(-number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE))}


@dataclass(eq=False)
class Unit:
    """A unit that was loaded; `environment` is what every process of the machine gets."""

    file: UnitFile
    journal: Journal
    environment: Mapping[str, str]
    transient: bool = False
    active: str = "inactive"
    sub: str = "dead"
    since: float = 0.0
    result: str = "success"
    exit_status: int = 0
    restarts: int = 0
    pid: int = 0
    #: Called when the unit has come to rest.
    at_rest: Callable[["Unit"], None] = lambda _: None
    _starting: asyncio.Future[bool] | None = None
    _life: asyncio.Task[None] | None = None
    _starts: list[float] = field(default_factory=list)
    _invocation: str = field(default_factory=lambda: uuid.uuid4().hex)
    _stopping: bool = False
    _late: bool = False

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.file.name

    @property
    def title(self) -> str:
        """The name with its description, as systemd's own messages have it."""
        return self.name if self.file.description == self.name else f"{self.name} - {self.file.description}"

    @property
    def live(self) -> bool:
        """Whether it runs, or is about to."""
        return self.active not in {"inactive", "failed"}

    @property
    def failed(self) -> bool:
        """Whether switch-to-configuration counts it as failed: also while it waits for its next try."""
        return self.active == "failed" or (self.sub == "auto-restart" and self.exit_status != 0)

    async def stopped(self) -> None:
        """Wait while it is being stopped."""
        if self.active == "deactivating" and self._life is not None:
            await asyncio.wait([self._life])

    def start(self) -> Awaitable[bool]:
        """Begin to start; the awaited value says whether it worked. One that is being started is not started twice."""
        if self._starting is not None and not self._starting.done():
            return self._starting
        self._starting = asyncio.get_running_loop().create_future()
        if self.active in {"active", "reloading"}:
            self._starting.set_result(True)
        else:
            if self._life is not None:
                self._life.cancel()
            self._stopping = self._late = False
            self._become("activating", "start")
            self._life = asyncio.create_task(self._live())
        return self._starting

    async def stop(self) -> None:
        """End its processes, by force if they take too long, and wait for that."""
        if not self.live:
            return
        self._stopping = True
        if self.pid == 0 and self._life is not None:
            self._life.cancel()
            self._rest("inactive", "dead")
            return
        self._become("deactivating", "stop-sigterm")
        self._say(f"Stopping {self.title}...")
        whole = {self.pid, *processes.descendants(self.pid), *processes.of_session(self.pid)}
        processes.send(whole if self.file.kill_mode == "control-group" else [self.pid], signal.SIGTERM)
        if self._life is not None:
            _, late = await asyncio.wait([self._life], timeout=self.file.stop_within)
            self._late = bool(late)
            processes.send(whole if late else [], signal.SIGKILL)
            await asyncio.wait([self._life])
            processes.send(whole if self.file.kill_mode != "process" else [], signal.SIGKILL)

    def abandon(self) -> list[asyncio.Task[None]]:
        """Give up watching it; return the task that did."""
        return [self._life] if self._life is not None else []

    def reset(self) -> None:
        """Forget that it failed."""
        self._starts.clear()
        if self.active == "failed":
            self._become("inactive", "dead")

    def _say(self, message: str) -> None:
        self.journal.write(self.name, "systemd", message)

    def _become(self, active: str, sub: str) -> None:
        if active == "active" and self.active != "active":
            self.since = time.time()
        self.active, self.sub = active, sub

    def _rest(self, active: str, sub: str, *, well: bool = False) -> None:
        if active == "failed" and self.file.collect:
            active, sub = "inactive", "dead"
        self._become(active, sub)
        if self._starting is not None and not self._starting.done():
            self._starting.set_result(well)
        if not self.live:
            self.at_rest(self)

    async def _live(self) -> None:
        self._starts = [*self._starts, time.monotonic()]
        code = 0
        for command in self.file.commands:
            code = await self._execute(command)
            if code:
                break
        for command in self.file.after_stop:
            await self._afterwards(command, code)
        await self._judge(code)

    async def _execute(self, command: tuple[str, ...]) -> int:
        with Notification(wanted=self.file.type == "notify") as notification:
            try:
                process = self._spawn(command, notification.environment)
            except OSError as error:
                self._say(f"{self.name}: Failed to execute {command[0]}: {error.strerror}")
                return _NO_EXEC
            self.pid = process.pid
            output = asyncio.create_task(self._listen(process))
            end = asyncio.create_task(processes.ended(process))
            ready = asyncio.create_task(notification.ready())
            await asyncio.wait([end, ready], return_when=asyncio.FIRST_COMPLETED)
            started = ready.done()
            ready.cancel()
            await asyncio.wait([ready])
        if started and self.file.type != "oneshot" and not self._stopping:
            self._say(f"Started {self.title}.")
            self._rest("active", "running", well=True)
        code = await end
        if self.file.kill_mode in {"control-group", "mixed"}:
            rest = [*processes.of_session(process.pid), *processes.orphans(self._invocation)]
            processes.send(rest, signal.SIGKILL)
        self.pid = 0
        await asyncio.wait([output], timeout=1)
        return code

    def _spawn(self, command: tuple[str, ...], more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        environment = {**self.environment, **self.file.environment, **more, "INVOCATION_ID": self._invocation}
        if self.file.output is None:
            return processes.start(command, environment=environment, directory=self.file.directory)
        with Path(self.file.output).open("ab") as file:
            return processes.start(command, environment=environment, directory=self.file.directory, stdout=file)

    async def _listen(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        identifier = Path(self.file.commands[0][0]).name
        with contextlib.closing(transport):
            async for line in reader:
                self.journal.write(self.name, identifier, line.decode(errors="replace").rstrip(), process.pid)

    async def _afterwards(self, command: tuple[str, ...], code: int) -> None:
        how = "killed" if code < 0 else "exited"
        status = signal.Signals(-code).name.removeprefix("SIG") if code < 0 else str(code)
        result = "success" if code == 0 else "signal" if code < 0 else "exit-code"
        more = {"SERVICE_RESULT": result, "EXIT_CODE": how, "EXIT_STATUS": status}
        with contextlib.suppress(OSError):
            process = self._spawn(command, more)
            await asyncio.gather(self._listen(process), processes.ended(process))

    async def _judge(self, code: int) -> None:
        self.exit_status = abs(code)
        if code in _CLEAN:
            await self._well()
            return
        self.result = "timeout" if self._late else "signal" if code < 0 else "exit-code"
        status = f"killed, status={-code}/{signal.Signals(-code).name[3:]}" if code < 0 else f"exited, status={code}"
        self._say(f"{self.name}: Main process exited, code={status}{'/FAILURE' if code == 1 else ''}")
        self._say(f"{self.name}: Failed with result '{self.result}'.")
        if self._starting is not None and not self._starting.done():
            self._say(f"Failed to start {self.title}.")
        await self._again("failed", "failed", wanted={"always", "on-failure"})

    async def _well(self) -> None:
        self.result = "success"
        self._say(f"{self.name}: Deactivated successfully.")
        if self._stopping:
            self._say(f"Stopped {self.title}.")
            self._rest("inactive", "dead")
        elif self.file.type == "oneshot":
            self._say(f"Finished {self.title}.")
            self._rest(*(("active", "exited") if self.file.remains else ("inactive", "dead")), well=True)
        else:
            await self._again("inactive", "dead", wanted={"always"})

    async def _again(self, active: str, sub: str, *, wanted: set[str]) -> None:
        recent = [at for at in self._starts if at > time.monotonic() - _STARTS_WITHIN]
        if self._stopping or self.file.restart not in wanted:
            self._rest(active, sub)
            return
        if len(recent) >= _STARTS:
            self._say(f"{self.name}: Start request repeated too quickly.")
            self._rest("failed", "failed")
            return
        self._rest("activating", "auto-restart")
        await asyncio.sleep(self.file.restart_after)
        self.restarts += 1
        self._say(f"{self.name}: Scheduled restart job, restart counter is at {self.restarts}.")
        self._life = asyncio.create_task(self._live())
