"""The bot, which kills itself at a step if a file beside its configuration says so: `mortal_bot --config FILE`.

`die-at` holds the place, as `tests.real.dying_bot` names it; a bot that takes it takes it away. If there is a file
`clock`, the bot's clock is as many seconds off as it says, at any time.
"""

import asyncio
import os
import sys
from pathlib import Path

from opsbot import app
from opsbot.config import load
from opsbot.durable import Engine, OnTick, Perform
from opsbot.ports import Run
from tests.faults.clocks import fake_clock, sleep_in_spite_of_it
from tests.real.dying_bot import DyingRun


def order(path: Path) -> str:
    """Return where to die, and take it away: one life only."""
    try:
        place = path.read_text()
    except FileNotFoundError:
        return ""
    path.unlink()
    return place


class MortalEngine(Engine):
    """An engine whose jobs may be the last of this process."""

    folder: Path

    def launch(self, perform: Perform, on_tick: OnTick | None = None) -> None:
        """Begin, perhaps to die."""

        async def performed(job_id: str, run: Run) -> None:
            await perform(job_id, DyingRun(run, order(self.folder / "die-at")))

        super().launch(performed, on_tick)


if __name__ == "__main__":
    file = Path(sys.argv[-1])
    clock = file.with_name("clock")
    if clock.exists() and "LD_PRELOAD" not in os.environ:
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **fake_clock(clock)})  # noqa: S606 - a list, no shell
    if clock.exists():
        sleep_in_spite_of_it()
    MortalEngine.folder = file.parent
    config = load(file, os.environ)
    sys.exit(asyncio.run(app.main(config, os.environ, make_engine=MortalEngine)))
