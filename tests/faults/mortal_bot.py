"""The bot, which kills itself at a step if a file beside its configuration says so: `mortal_bot --config FILE`.

`die-at` holds the place, as `tests.real.dying_bot` names it; a bot that takes it takes it away. If there is a file
`clock`, the bot's clock is as many seconds off as it says, at any time.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from opsbot import app
from opsbot.config import load
from opsbot.durable import Engine, OnTick, Perform
from opsbot.ports import Run
from tests.real.dying_bot import DyingRun

_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")


def library() -> Path | None:
    """Return where libfaketime is, if it is."""
    paths = (Path(folder, "faketime/libfaketime.so.1") for folder in _LIBRARIES)
    return next((path for path in paths if path.exists()), None)


def fake_clock(file: Path) -> Mapping[str, str]:
    """Return the environment of a program whose clock is off by what stands in a file; time passes as it does."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


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
    MortalEngine.folder = file.parent
    config = load(file, os.environ)
    sys.exit(asyncio.run(app.main(config, os.environ, make_engine=MortalEngine)))
