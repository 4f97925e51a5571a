"""`opsbot demo`: build the world in a temporary folder, let somebody talk in it, and take it away."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from opsbot.demo.conversation import Conversation
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.prompt import Prompt
from opsbot.demo.script import play, read
from opsbot.demo.stage import Stage
from opsbot.standin.machine import Machine

#: Seconds between two lines of a build's log: slow enough to be seen.
_PACE = 0.25


async def demo(script: Path | None) -> int:
    """Run the demo, with a SCRIPT or at the terminal; return the exit status."""
    lines = None if script is None else read(script)
    with tempfile.TemporaryDirectory(prefix="opsbot-demo-") as folder:
        homeserver, machine = Homeserver(Path(folder) / "synapse"), Machine(Path(folder) / "host", pace=_PACE)
        async with _stage(Path(folder), homeserver, machine) as stage:
            if lines is not None:
                return await play(Conversation(stage), lines)
            return await Prompt(stage, homeserver, machine).run()


@asynccontextmanager
async def _stage(folder: Path, homeserver: Homeserver, machine: Machine) -> AsyncIterator[Stage]:
    sys.stderr.write("Starting a homeserver (Synapse) and a host (a NixOS machine in a folder, behind SSH) …\n")
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as starting:
            starting.create_task(stack.enter_async_context(homeserver))
            starting.create_task(stack.enter_async_context(machine))
        sys.stderr.write("Starting the bot, and four people in a room with it …\n\n")
        stage = Stage.open(folder / "opsbot", homeserver=homeserver, machine=machine)
        yield await stack.enter_async_context(stage)
