import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.durable import Engine, JsonSerializer
from opsbot.errors import ConfigError
from opsbot.ports import Run

SCRIPT = Path(__file__).with_name("crashing_job.py")


async def run_once(folder: Path, fatal: str) -> int | None:
    """Run the job in a process of its own; return how it ended."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), str(folder), fatal)
    await asyncio.wait_for(process.wait(), 60)
    return process.returncode


def diary(folder: Path) -> Sequence[str]:
    """Return what the job did."""
    return (folder / "diary").read_text().splitlines()


@pytest.mark.parametrize("fatal", ["one", "two", "three"])
async def test_a_killed_job_goes_on_at_the_step_that_was_cut_off(tmp_path: Path, fatal: str) -> None:
    """After kill -9 in a step, the next start does that step again, and no step that was done."""
    assert await run_once(tmp_path, fatal) == -9

    assert await run_once(tmp_path, fatal) == 0

    done = diary(tmp_path)
    assert [line for line in done if line.startswith("end")] == ["end one", "end two", "end three"]
    assert done.count(f"begin {fatal}") == 2
    assert done[-1] == "result ['one', 'two', 'three']"


async def test_a_job_that_is_started_twice_runs_once(tmp_path: Path) -> None:
    """A job's id is started once, also by another process later."""
    assert await run_once(tmp_path, "") == 0
    before = diary(tmp_path)

    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), str(tmp_path), "")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.wait(), 3)
    process.kill()
    await process.wait()

    assert diary(tmp_path) == before


async def nothing(_job_id: str, _run: Run) -> None:
    """Be a job that does nothing."""


async def test_one_bot_at_a_time_on_a_database(tmp_path: Path) -> None:
    """A second bot on the same database ends with a sentence before it touches anything."""
    url, lock = f"sqlite:///{tmp_path / 'jobs.db'}", tmp_path / "jobs.lock"
    first = Engine(url, lock=lock)
    first.launch(nothing)
    try:
        with pytest.raises(ConfigError, match="Another opsbot runs on this database"):
            Engine(url, lock=lock).launch(nothing)
    finally:
        first.close()


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
