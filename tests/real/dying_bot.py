"""The bot, which kills itself once, in the step of a job that is named: `dying_bot PLACE --config FILE`.

PLACE is "before STEP", "in STEP" (the work is done, and not yet remembered) or "after STEP".
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from opsbot import app
from opsbot.config import load
from opsbot.durable import Engine, OnTick, Perform
from opsbot.model import Json
from opsbot.ports import Run


def die() -> None:
    """End as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingRun:
    """Steps of which one is the last of this process."""

    def __init__(self, run: Run, place: str) -> None:
        self._run = run
        self._place = place

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Do a step, or die at it."""

        async def fatal() -> Json:
            result = await work()
            if self._place == f"in {name}":
                die()
            return result

        if self._place == f"before {name}":
            die()
        result = await self._run.step(name, fatal)
        if self._place == f"after {name}":
            die()
        return result


def dying(place: str) -> type[Engine]:
    """Make an engine whose jobs die at a place."""

    class DyingEngine(Engine):
        """Kills the process at a step."""

        def launch(self, perform: Perform, on_tick: OnTick | None = None) -> None:
            """Begin, to die."""

            async def performed(job_id: str, run: Run) -> None:
                await perform(job_id, DyingRun(run, place))

            super().launch(performed, on_tick)

    return DyingEngine


if __name__ == "__main__":
    config = load(Path(sys.argv[-1]), os.environ)
    sys.exit(asyncio.run(app.main(config, os.environ, make_engine=dying(sys.argv[1]))))
