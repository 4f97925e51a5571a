"""A process with one schedule, which kills itself once in the step that is named; run by test_schedules."""

import asyncio
import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from opsbot.durable import Engine
from opsbot.model import Json
from opsbot.ports import Run


async def main(folder: Path, cron: str, fatal: str, since: datetime | None) -> None:
    """Keep the schedule until its time has come, or only once if FATAL is "never"; no CRON, no schedule."""
    diary = folder / "diary"
    ended = asyncio.Event()

    def note(*words: str) -> None:
        with diary.open("a") as file:
            file.write(json.dumps(words) + "\n")

    async def on_tick(name: str, at: datetime, run: Run) -> None:
        for step in ("call", "post"):

            async def work(step: str = step) -> Json:
                note("begin", step)
                if step == fatal and not (folder / "died").exists():
                    (folder / "died").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return {"step": step}

            assert await run.step(step, work) == {"step": step}
        note("end", name, at.isoformat())
        ended.set()

    async def no_job(_job_id: str, _run: Run) -> None:
        raise AssertionError

    engine = Engine(f"sqlite:///{folder / 'jobs.db'}")
    engine.launch(no_job, on_tick)
    await engine.keep({"standup": cron} if cron else {}, ZoneInfo("Europe/Berlin"), since=since)
    if fatal != "never":
        await ended.wait()
    engine.close()


if __name__ == "__main__":
    moment = datetime.fromisoformat(sys.argv[4]) if sys.argv[4:] else None
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], moment))
