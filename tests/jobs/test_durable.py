import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.durable import JsonSerializer
from tests.postgres import PASSWORD, Postgres

SCRIPT = Path(__file__).with_name("crashing_job.py")
FULL = Path(__file__).with_name("full_job.py")
STALLING = Path(__file__).with_name("stalling_job.py")


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is, of either kind."""
    if request.param == "SQLite":
        return f"sqlite:///{tmp_path}/jobs.db"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.database()


async def begin(folder: Path, fatal: str, url: str) -> asyncio.subprocess.Process:
    """Start the job in a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), str(folder), fatal, url), env={**os.environ, "PGPASSWORD": PASSWORD}
    )


async def run_once(folder: Path, fatal: str, url: str) -> int | None:
    """Run the job in a process of its own; return how it ended."""
    process = await begin(folder, fatal, url)
    await asyncio.wait_for(process.wait(), 60)
    return process.returncode


def diary(folder: Path) -> Sequence[str]:
    """Return what the job did."""
    return (folder / "diary").read_text().splitlines()


@pytest.mark.parametrize("fatal", ["one", "two", "three"])
async def test_a_killed_job_goes_on_at_the_step_that_was_cut_off(tmp_path: Path, fatal: str, url: str) -> None:
    """After kill -9 in a step, the next start does that step again, and no step that was done."""
    assert await run_once(tmp_path, fatal, url) == -9

    assert await run_once(tmp_path, fatal, url) == 0

    done = diary(tmp_path)
    assert [line for line in done if line.startswith("end")] == ["end one", "end two", "end three"]
    assert done.count(f"begin {fatal}") == 2
    assert done[-1] == "result ['one', 'two', 'three']"


@pytest.mark.parametrize("where", ["within", "after"])
async def test_a_job_that_finds_no_room_goes_on_when_there_is_some(tmp_path: Path, where: str) -> None:
    """When SQLite cannot write, in a step or to remember it, the bot ends at once, and the next one goes on there."""
    ends = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(sys.executable, str(FULL), str(tmp_path), where)
        await asyncio.wait_for(process.wait(), 60)
        ends.append(process.returncode)
    assert ends == [os.EX_TEMPFAIL, 0]
    assert diary(tmp_path) == ["one", "two", "two", "three"]


async def test_a_job_that_is_started_twice_runs_once(tmp_path: Path, url: str) -> None:
    """A job's id is started once, also by another process later."""
    assert await run_once(tmp_path, "", url) == 0
    before = diary(tmp_path)

    process = await begin(tmp_path, "", url)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.wait(), 3)
    process.kill()
    await process.wait()

    assert diary(tmp_path) == before


async def watched(url: str, deaths: int, tmp_path: Path) -> tuple[list[str], list[str], list[int]]:
    """Run a job whose function dies silently so often; return what it did, why it was given up, what was forgotten."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(STALLING), url, str(deaths)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PGPASSWORD": PASSWORD},
        cwd=tmp_path,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    did, reasons, forgot = json.loads(said)
    return did, reasons, forgot


async def test_a_job_that_nobody_works_on_is_taken_up_again(url: str, tmp_path: Path) -> None:
    """A job whose function died without a word, while the engine holds it for open, goes on; what was done is kept."""
    did, reasons, _ = await watched(url, 1, tmp_path)
    assert did == ["one", "died", "two"]
    assert reasons == []


async def test_only_what_has_ended_long_ago_is_forgotten(url: str, tmp_path: Path) -> None:
    """The steps of a work go when it ended before the time that is given; an open one stays, however old."""
    assert (await watched(url, 0, tmp_path))[2] == [0, 1, 0]


async def test_a_job_that_cannot_be_taken_up_is_given_up(url: str, tmp_path: Path) -> None:
    """When taking it up did not help, the job is ended with the reason instead of staying open for ever."""
    did, reasons, forgot = await watched(url, 99, tmp_path)
    assert did[:2] == ["one", "died"]
    assert reasons == ["nobody works on it"]
    assert forgot == [0, 0, 0]


def test_only_json_crosses_a_step() -> None:
    """What is remembered is JSON: a database that somebody else wrote cannot become code that runs."""
    kept = JsonSerializer().serialize({"a": [1, None, "b"]})

    assert kept == '{"a": [1, null, "b"]}'
    assert JsonSerializer().deserialize(kept) == {"a": [1, None, "b"]}
    with pytest.raises(TypeError, match="Only JSON crosses a step, not PosixPath"):
        JsonSerializer().serialize(Path("/"))


def test_an_error_is_remembered_by_its_words() -> None:
    """An exception is remembered as its words, and comes back as a plain one."""
    kept = JsonSerializer().serialize(ValueError("no token"))

    back = JsonSerializer().deserialize(kept)

    assert isinstance(back, RuntimeError)
    assert str(back) == "ValueError: no token"
