"""A process with a job whose function dies without a word, and what watches it: `stalling_job URL DEATHS`."""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime, timedelta

from opsbot.durable import Engine
from opsbot.model import Job, JobKind, Json
from opsbot.ports import Run
from opsbot.store.address import place
from opsbot.store.database import Database

JOB = Job(
    id="jabcdefgh",
    kind=JobKind.DEPLOY,
    host="h",
    project="p",
    target="main",
    person="eve",
    room_id="!r",
    event_id="$e",
    thread="$e",
)


async def main(url: str, deaths: int) -> None:
    """Watch the job until it has ended or was given up, then forget what has ended."""
    did: list[str] = []
    reasons: list[str] = []
    ended = asyncio.Event()

    async def perform(_job_id: str, run: Run) -> None:
        async def one() -> Json:
            did.append("one")

        async def two() -> Json:
            did.append("two")

        await run.step("one", one)
        if did.count("died") < deaths:
            did.append("died")
            raise asyncio.CancelledError
        await run.step("two", two)
        ended.set()

    async def open_jobs() -> list[Job]:
        return [] if ended.is_set() else [JOB]

    async def give_up(_job: Job, reason: str) -> None:
        reasons.append(reason)
        ended.set()

    database = Database(place(url))
    engine = Engine(url, pool=database.pool)
    engine.launch(perform)
    watching = asyncio.create_task(engine.watch(open_jobs, give_up, every=0.5))
    await ended.wait()
    await asyncio.sleep(0.5)
    now = datetime.now(UTC)
    forgot = [await engine.forget(now + timedelta(hours=hours)) for hours in (-1, 1, 1)]
    engine.close()
    watching.cancel()
    await database.close()
    sys.stdout.write(json.dumps([did, reasons, forgot]))


if __name__ == "__main__":
    logging.disable()
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
