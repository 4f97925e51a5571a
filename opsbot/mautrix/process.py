"""A bridge as a process of its own: the stand-in, or the real mautrix-slack where somebody has it."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from opsbot.mautrix.setup import Setup

#: The command of the stand-in; that of the real one is the path of its program.
STANDIN = (sys.executable, "-m", "opsbot.mautrix")
_READY, _STOP, _LOOK = 30.0, 15.0, 0.05


class BridgeProcess:
    """Starts and stops a bridge that was set up; ENVIRONMENT says where Slack is."""

    def __init__(self, setup: Setup, environment: Mapping[str, str], command: Sequence[str] = STANDIN) -> None:
        self._setup = setup
        self._environment = environment
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        """What the bridge wrote."""
        return self._setup.folder / "bridge.log"

    async def start(self) -> int | None:
        """Start it and wait until it is ready; return its exit code if it ended before."""
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *("-c", str(self._setup.config_file), "-r", str(self._setup.registration_file)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._setup.folder,
                env={**os.environ, **self._environment},
            )
        async with asyncio.timeout(_READY), aiohttp.ClientSession() as session:
            while self._process.returncode is None and not await self._is_ready(session):  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(_LOOK)
        return self._process.returncode

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self._setup.url}/_matrix/mau/ready") as answer:
                return answer.ok
        except aiohttp.ClientError:
            return False

    async def stop(self) -> None:
        """Stop it in good order."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def kill(self) -> None:
        """Kill it, as kill -9 does."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
