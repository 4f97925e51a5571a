"""Process 1 of the stand-in machine: boots it, answers the programs in its folder, ends all that it began."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from opsbot.standin import processes, show
from opsbot.standin.control import Address
from opsbot.standin.manager import Manager, UnitError
from opsbot.standin.paths import Layout, link, write
from opsbot.standin.server import Gate, base_environment

_SHUT_WITHIN = 2.0


class Init:
    """The verbs that the control socket knows."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.manager = Manager(layout)
        self.gate = Gate(layout, base_environment(layout))

    async def boot(self) -> None:
        """Come up in the system that the boot loader names."""
        system = self.layout.boot_default.readlink()
        write(self.layout.boot_id, str(uuid.uuid4()) + "\n")
        link(self.layout.booted, system)
        await self._activate(system)
        await self.manager.boot()
        await self.gate.open()

    async def _activate(self, system: Path) -> None:
        child = processes.start(
            [str(system / "activate")], environment=base_environment(self.layout), directory=str(self.layout.root)
        )
        await processes.ended(child)
        if child.stdout is not None:
            child.stdout.close()

    async def answer(self, verb: str, asked: dict[str, Any]) -> Any:
        """Do what a program asks. Raises UnitError when systemd would refuse."""
        known: dict[str, Callable[..., Awaitable[Any]]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reset": self._reset,
            "show": self._show,
            "failed": self._failed,
            "all": self._all,
            "wanted": self._wanted,
            "transient": self._transient,
            "cut": self._cut,
            "heal": self._heal,
            "skip": self._skip,
            "reboot": self._reboot,
        }
        return await known[verb](**asked)

    async def _start(self, unit: str, *, wait: bool = True) -> None:
        if wait:
            await self.manager.start(unit)
        else:
            self.manager.begin(unit)

    async def _stop(self, unit: str) -> None:
        await self.manager.stop(unit)

    async def _restart(self, unit: str) -> None:
        await self.manager.load(unit).stop()
        await self.manager.start(unit)

    async def _reset(self) -> None:
        for unit in self.manager.units.values():
            unit.reset()

    async def _show(self, units: list[str]) -> list[dict[str, str]]:
        return [show.properties(self.manager, unit) for unit in units]

    async def _failed(self) -> list[dict[str, str]]:
        return [show.properties(self.manager, unit.name) for unit in self.manager.failed()]

    async def _all(self) -> list[dict[str, str]]:
        names = sorted([*self.manager.units, *self.manager.timers])
        return [show.properties(self.manager, name) for name in names]

    async def _wanted(self) -> list[str]:
        return self.manager.wanted()

    async def _transient(self, unit: str, text: str, command: list[str], after: float | None) -> None:
        self.manager.transient(text, command, unit, after)

    async def _cut(self) -> None:
        await self.gate.shut()

    async def _heal(self) -> None:
        await self.gate.open()

    async def _skip(self, seconds: float) -> None:
        self.manager.skip(seconds)

    async def _reboot(self) -> None:
        await self.gate.shut()
        await self.manager.halt(by_force=True)
        await self.boot()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            asked = json.loads(await reader.readline())
            answer: dict[str, Any] = {"result": await self.answer(asked.pop("verb"), asked)}
        except UnitError as error:
            answer = {"error": str(error), "status": error.status}
        except Exception as error:  # noqa: BLE001 -- whoever asked must hear of it, whatever it was
            answer = {"error": f"{type(error).__name__}: {error}", "status": 1}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()


async def _end_of(descriptor: int) -> None:
    """Wait until whoever holds the other end of the pipe has gone."""
    gone = asyncio.Event()

    def read() -> None:
        if not os.read(descriptor, 64):
            gone.set()

    asyncio.get_running_loop().add_reader(descriptor, read)
    await gone.wait()
    asyncio.get_running_loop().remove_reader(descriptor)


async def run(layout: Layout) -> None:
    """Run the machine until standard input ends or a SIGTERM comes; write a line when it has booted."""
    processes.adopt_orphans()
    stop = asyncio.create_task(_end_of(sys.stdin.fileno()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.cancel)
    init = Init(layout)
    layout.socket.parent.mkdir(parents=True, exist_ok=True)
    layout.socket.unlink(missing_ok=True)
    with Address(layout.socket) as address:
        server = await asyncio.start_unix_server(init.serve, address)
        try:
            await init.boot()
            sys.stdout.write("booted\n")
            sys.stdout.flush()
            await asyncio.wait([stop])
        finally:
            server.close()
            # Whatever else may hang, nothing may be left.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(init.gate.shut(), _SHUT_WITHIN)
            await init.manager.halt()


def main(layout: Layout, arguments: Sequence[str]) -> int:
    """Run the machine as a program of its own."""
    if arguments:
        raise SystemExit("init takes no arguments")
    asyncio.run(run(layout))
    return 0
