import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsbot.errors import ConfigError
from opsbot.triggers.cron import checked, newest

SCRIPT = Path(__file__).with_name("ticking_bot.py")
BERLIN = ZoneInfo("Europe/Berlin")


def daily(*, minutes: int) -> tuple[str, datetime]:
    """Return the expression of a time so many MINUTES ago, and that time."""
    at = (datetime.now(BERLIN) - timedelta(minutes=minutes)).replace(second=0, microsecond=0)
    return f"{at.minute} {at.hour} * * *", at


async def run(folder: Path, cron: str, fatal: str = "", *since: str) -> int | None:
    """Run a bot with a schedule in a process of its own; return how it ended."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), str(folder), cron, fatal, *since)
    await asyncio.wait_for(process.wait(), 60)
    return process.returncode


def diary(folder: Path) -> list[list[str]]:
    """Return what the schedule did."""
    path = folder / "diary"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def rows(folder: Path, query: str) -> list[Any]:
    """Return what stands in the durable engine's tables."""
    with closing(sqlite3.connect(folder / "jobs.db")) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("fatal", ["call", "post"])
async def test_a_time_that_was_missed_is_made_up_for_once(tmp_path: Path, fatal: str) -> None:
    """A time that came while the bot was away is carried out once when it starts, also over kill -9 in a step."""
    cron, at = daily(minutes=3)
    assert await run(tmp_path, cron, "never") == 0

    assert await run(tmp_path, cron, fatal) == -9
    assert await run(tmp_path, cron, fatal) == 0
    assert await run(tmp_path, cron, "never") == 0

    done = diary(tmp_path)
    assert [line for line in done if line[0] == "end"] == [["end", "standup", at.isoformat()]]
    assert done.count(["begin", fatal]) == 2
    assert len(done) == 4


async def test_a_new_schedule_makes_up_for_nothing(tmp_path: Path) -> None:
    """A schedule that is new, or has another time than before, waits for its next time."""
    assert await run(tmp_path, daily(minutes=3)[0], "never") == 0
    assert await run(tmp_path, daily(minutes=5)[0], "never") == 0

    assert rows(tmp_path, "SELECT name FROM workflow_status") == []
    assert diary(tmp_path) == []


async def test_what_was_missed_long_ago_is_not_made_up_for(tmp_path: Path) -> None:
    """A time more than an hour ago is past."""
    cron, _ = daily(minutes=61)
    assert await run(tmp_path, cron, "never") == 0
    assert await run(tmp_path, cron, "never") == 0

    assert rows(tmp_path, "SELECT name FROM workflow_status") == []


async def test_what_was_missed_before_a_restoration_is_not_made_up_for(tmp_path: Path) -> None:
    """A bot whose database was restored does not know whether it carried out a time before that."""
    cron, at = daily(minutes=3)
    assert await run(tmp_path, cron, "never") == 0
    assert await run(tmp_path, cron, "never", (at + timedelta(minutes=1)).isoformat()) == 0
    assert rows(tmp_path, "SELECT name FROM workflow_status") == []

    assert await run(tmp_path, cron, "", (at - timedelta(minutes=1)).isoformat()) == 0
    assert diary(tmp_path)[-1] == ["end", "standup", at.isoformat()]


async def test_a_schedule_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    """When no plugin has a schedule any more, it does not come again."""
    cron, _ = daily(minutes=3)
    assert await run(tmp_path, cron, "never") == 0
    query = "SELECT schedule_name, schedule, cron_timezone FROM workflow_schedules"
    assert rows(tmp_path, query) == [("standup", cron, "Europe/Berlin")]

    assert await run(tmp_path, "", "never") == 0

    assert rows(tmp_path, query) == []


@pytest.mark.parametrize(
    ("expression", "plain"),
    [("0 9 * * mon-fri", "0 9 * * mon-fri"), ("  */5  8-18 * * MON#1 ", "*/5 8-18 * * mon#1"), ("0 9 l * *",) * 2],
)
def test_cron_expressions_are_read(expression: str, plain: str) -> None:
    """Five fields, with names, steps, ranges and the last day of the month, in small or capital letters."""
    assert checked(expression) == plain


@pytest.mark.parametrize(
    "expression",
    ["", "0 9 * *", "* * * * * *", "@daily", "61 * * * *", "0 9 * * foo", "r r * * *", "h 9 * * *", "*/0 * * * *",
     "5,r * * * *", "0 9 * * mon; reboot", "9" * 5000 + " * * * *"],
)  # fmt: skip
def test_a_wrong_expression_is_told(expression: str) -> None:
    """What is no cron expression of five fields is refused with an example; so are random times."""
    with pytest.raises(ConfigError, match="is no cron expression: give minute, hour, day, month and weekday, like"):
        checked(expression)


def test_a_day_that_never_comes_is_told() -> None:
    """The 31st of February is refused."""
    with pytest.raises(ConfigError, match=r"'0 9 31 2 \*' is a day that never comes\."):
        checked("0 9 31 2 *")


def test_the_newest_time_is_that_of_the_zone() -> None:
    """Nine o'clock is nine o'clock on the wall, in winter and in summer."""
    for month, offset in ((1, 1), (7, 2)):
        found = newest("0 9 * * *", datetime(2026, month, 15, 12, tzinfo=BERLIN))
        assert (found.hour, found.utcoffset()) == (9, timedelta(hours=offset))
