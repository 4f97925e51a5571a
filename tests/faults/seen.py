"""What can be read without asking anybody: the helper's files on a host, and the rows of the bot's database."""

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from opsbot.onhost.state import ENDED
from tests.faults.oracle import Books
from tests.faults.plan import MOMENTS, Work

_ORDER = (*MOMENTS[Work.DEPLOY], "over")
#: What a job on the host may be at beside the moments that have its name.
_PLACES = {"committed": "committing", "reverting": "committing"}


def read(path: Path) -> Any:
    """Return what a file of JSON says; an empty object if there is none, or half of one."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


class Progress:
    """How far the next job on a host has come, by the files that its helper writes."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._known = self._jobs()

    def _jobs(self) -> set[str]:
        return {path.name.split(".")[0] for path in (self._state / "requests").glob("*.json")}

    @property
    def job(self) -> str:
        """The id of the job on the host; empty while there is none."""
        new = self._jobs() - self._known
        return max(new, key=lambda job: (len(job), job), default="")

    @property
    def moment(self) -> str:
        """Where the job is."""
        job = self.job
        asked = {path.name.split(".")[1] for path in (self._state / "requests").glob(f"{job}.*.json")} if job else set()
        status = read(self._state / "jobs" / job / "state.json").get("status") if job else None
        if "publish" in asked:
            return "publish"
        if status is not None:
            return _PLACES.get(status, status if status in _ORDER else "over")
        if asked & {"activate", "rollback"} or read(self._state / "builds" / job / "result.json").get("status"):
            return "plan" if "prepare" in asked else "said"
        return "prepare" if "prepare" in asked else "said"

    def reached(self, moment: str) -> bool:
        """Say whether the job has come to a moment, or past it."""
        return _ORDER.index(self.moment) >= _ORDER.index(moment)


def proved(state: Path) -> frozenset[int]:
    """Return the generations that are recorded as proved."""
    rows = read(state / "jobs/generations.json").get("generations", [])
    return frozenset(row["generation"] for row in rows if row["proved"])


def holder(state: Path, boot: str) -> Iterator[str]:
    """Yield the job that still holds a host which was booted as BOOT."""
    job = read(state / "jobs/holder.json").get("job")
    said = read(state / "jobs" / str(job) / "state.json")
    if said and said["status"] not in ENDED and (said["boot_id"] == boot or said.get("committing")):
        yield f"the host, by job {job} ({said['status']})"


def roots(state: Path) -> Iterator[str]:
    """Yield what jobs that have ended still keep from being collected."""
    for link in (state / "jobs").glob("*/old"):
        if read(link.parent / "state.json").get("status") in ENDED - {"stuck"}:
            yield f"the roots of job {link.parent.name}"


def books(database: Path, *, patience: float = 10.0) -> Books:
    """Read a copy of the bot's database: whoever opens the very file may leave files of his own beside it."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with tempfile.TemporaryDirectory(prefix="opsbot-books-") as folder:
                for path in (database, database.with_name(f"{database.name}-wal")):
                    with suppress(FileNotFoundError):
                        shutil.copyfile(path, Path(folder, path.name))
                with closing(sqlite3.connect(Path(folder, database.name))) as copy:
                    return _books(copy)
        except sqlite3.DatabaseError:  # it was written to while it was copied
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _books(copy: sqlite3.Connection) -> Books:
    copy.row_factory = sqlite3.Row
    audit = [{**row, "at": datetime.fromisoformat(row["at"])} for row in map(dict, copy.execute("SELECT * FROM audit"))]

    def first(query: str) -> tuple[str, ...]:
        return tuple(str(row[0]) for row in copy.execute(query))

    ended = "SELECT id FROM jobs WHERE ended_at IS NOT NULL"
    return Books(
        audit=audit,
        locks=first(f"SELECT host FROM locks WHERE job_id NOT IN ({ended})"),  # noqa: S608 - a constant
        open_jobs=first("SELECT number FROM jobs WHERE ended_at IS NULL"),
        waiting=(
            *first("SELECT 'message ' || cause FROM outbox WHERE state = 'waiting'"),
            *first("SELECT 'command ' || event_id FROM inbox WHERE done_at IS NULL"),
            *first("SELECT 'work ' || workflow_uuid FROM workflow_status WHERE status IN ('PENDING', 'ENQUEUED')"),
            *first("SELECT 'refused ' || cause || ': ' || reason FROM outbox WHERE state = 'refused'"),
        ),
    )
