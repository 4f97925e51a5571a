"""A process with a durable job whose database is full at its second step: `full_job FOLDER WHERE`.

WHERE is "within" (the step itself writes) or "after" (what the step has done is to be remembered). The first process
finds no room, the next one does.
"""

import asyncio
import logging
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from sqlalchemy import Connection

from opsbot.durable import Engine
from opsbot.model import Job, JobKind, Json
from opsbot.ports import Run
from opsbot.store.database import Database

_WORDS = {"kind": JobKind.DEPLOY, "host": "h", "project": "p", "target": "main", "person": "eve"}
JOB = Job(id="jabcdefgh", room_id="!r", event_id="$e", thread="$e", **_WORDS)  # type: ignore[arg-type]


def leave(_why: str) -> NoReturn:
    """End as the bot does."""
    os._exit(os.EX_TEMPFAIL)


def too_much(connection: Connection) -> None:
    """Write more than this database may have."""
    connection.exec_driver_sql("PRAGMA max_page_count = 1")
    connection.exec_driver_sql("CREATE TABLE much AS SELECT zeroblob(100000) AS more")


def no_room(path: Path) -> None:
    """Let nothing be remembered any more, with an error of the kind that a full disk is."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON operation_outputs BEGIN SELECT missing FROM nowhere; END"
        )


async def main(folder: Path, where: str) -> None:
    """Run the job to its end, or until there is no room."""
    path, ended, first = folder / "jobs.db", asyncio.Event(), not (folder / "full").exists()
    (folder / "full").touch()
    database = Database(f"sqlite:///{path}")
    if not first and where == "after":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TRIGGER full")

    async def perform(_job_id: str, run: Run) -> None:
        for name in ("one", "two", "three"):

            async def work(name: str = name) -> Json:
                with (folder / "diary").open("a") as file:
                    file.write(f"{name}\n")
                if name == "two" and first and where == "within":
                    await database.write(too_much)
                if name == "two" and first and where == "after":
                    no_room(path)
                return {}

            await run.step(name, work)
        ended.set()

    engine = Engine(f"sqlite:///{path}", on_lost=leave)
    engine.launch(perform)
    await engine.start(JOB)
    await ended.wait()
    await asyncio.sleep(0.2)
    engine.close()
    await database.close()


if __name__ == "__main__":
    logging.disable()
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
