"""A process with a durable job that kills itself once in the step that is named: `crashing_job FOLDER STEP URL`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from opsbot.durable import Engine
from opsbot.model import Job, JobKind, Json
from opsbot.ports import Run
from opsbot.store.address import place
from opsbot.store.database import Database

STEPS = ("one", "two", "three")


def job(job_id: str) -> Job:
    """Make a job that only has an id."""
    return Job(
        id=job_id,
        kind=JobKind.DEPLOY,
        host="h",
        project="p",
        target="main",
        person="eve",
        room_id="!r",
        event_id="$e",
        thread="$e",
    )


async def main(folder: Path, fatal: str, url: str) -> None:
    """Run the job to its end, or to its death."""
    diary = folder / "diary"
    ended = asyncio.Event()

    def note(words: str) -> None:
        with diary.open("a") as file:
            file.write(words + "\n")

    async def perform(_job_id: str, run: Run) -> None:
        said: list[Json] = []
        for name in STEPS:

            async def work(name: str = name) -> Json:
                note(f"begin {name}")
                if name == fatal and not (folder / "died").exists():
                    (folder / "died").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                note(f"end {name}")
                return {"said": name}

            said.append(await run.step(name, work))
        note(f"result {[one['said'] for one in said]}")
        ended.set()

    database = Database(place(url))
    engine = Engine(url, pool=database.pool)
    engine.launch(perform)
    await engine.start(job("jabcdefgh"))
    await ended.wait()
    await asyncio.sleep(0.2)
    engine.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
