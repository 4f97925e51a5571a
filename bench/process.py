"""A bot as a process of its own: started, stopped, killed, and looked at from outside."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from opsbot.demo import tether

_TICKS = os.sysconf("SC_CLK_TCK")
_TOP = Path(__file__).parents[1]
_STOP = 20.0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """Return the resident memory of a process, in MB (of 2^20 bytes)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith("VmRSS:"))
    return int(found.split()[1]) / 1024


class BotProcess:
    """A bot: a Python MODULE with its arguments, whose output goes to FOLDER. It ends when this process does."""

    def __init__(self, folder: Path, module: Sequence[str]) -> None:
        self.folder = folder
        self._module = module
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The id of the process; 0 when it does not run."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the bot; it is not yet in its rooms then."""
        with (self.folder / "output.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", tether.__file__, *self._module),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(_TOP)},
            )

    async def stop(self) -> None:
        """Stop the bot in good order."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
        await self._ended(_STOP)

    async def kill(self) -> None:
        """Kill the bot, as kill -9 does."""
        if self._process is not None:
            self._process.kill()
        await self._ended(_STOP)

    async def _ended(self, within: float) -> None:
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        try:
            await asyncio.wait_for(process.wait(), within)
        except TimeoutError:
            process.kill()
            await process.wait()
        process.stdin.close()
