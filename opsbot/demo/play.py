"""`opsbot demo`: build the world in a temporary folder, let somebody talk in it, and take it away."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from opsbot.demo.conversation import Conversation
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.prompt import Prompt
from opsbot.demo.script import play, read
from opsbot.demo.stage import DemoError, Stage
from opsbot.errors import OpsbotError
from opsbot.standin.machine import Machine

#: Seconds between two lines of a build's log: slow enough to be seen.
_PACE = 0.25
#: MiB that must be free; a world takes some 15 at its start.
_ROOM = 100
#: The exit status of what Ctrl-C has ended, as in a shell.
_INTERRUPTED = 130


async def demo(script: Path | None) -> int:
    """Run the demo, with a SCRIPT or at the terminal; return the exit status. Raises OpsbotError if it cannot."""
    lines = None if script is None else read(script)
    running = asyncio.create_task(_demo(lines))
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _end, running)
    try:
        return await running
    except asyncio.CancelledError:
        return _INTERRUPTED


def _end(running: asyncio.Task[int]) -> None:
    # A second Ctrl-C, or a terminal that is closed meanwhile, must not keep it from taking everything away.
    if not running.cancelling():
        running.cancel()


async def _demo(lines: list[tuple[str, str]] | None) -> int:
    with tempfile.TemporaryDirectory(prefix="opsbot-demo-") as folder:
        has_room(Path(folder), _ROOM)
        homeserver, machine = Homeserver(Path(folder) / "synapse"), Machine(Path(folder) / "host", pace=_PACE)
        async with _stage(Path(folder), homeserver, machine) as stage:
            if lines is not None:
                return await play(Conversation(stage), lines)
            return await Prompt(stage, homeserver, machine).run()


def has_room(folder: Path, wanted: int) -> None:
    """Do nothing where so many MiB are free for a FOLDER; else raise DemoError."""
    free = shutil.disk_usage(folder).free >> 20
    if free < wanted:
        raise DemoError(
            f"The demo wants {wanted} MiB in {folder.parent}, where {free} MiB are free: make room there, "
            "or let TMPDIR name another folder."
        )


@asynccontextmanager
async def _stage(folder: Path, homeserver: Homeserver, machine: Machine) -> AsyncIterator[Stage]:
    sys.stderr.write("Starting a homeserver (Synapse) and a host (a NixOS machine in a folder, behind SSH) …\n")
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.TaskGroup() as starting:
                starting.create_task(stack.enter_async_context(homeserver))
                starting.create_task(stack.enter_async_context(machine))
        except ExceptionGroup as group:
            # Anything else is a fault of the demo's own.
            if not isinstance(first := group.exceptions[0], OpsbotError):
                raise
            raise first from None
        sys.stderr.write("Starting the bot, and four people in a room with it …\n\n")
        stage = Stage.open(folder / "opsbot", homeserver=homeserver, machine=machine)
        yield await stack.enter_async_context(stage)
