import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from opsbot.plugins import load
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM
from opsbot.timetable import TOO_LATE, tick

DEV = "!dev:example.org"
TALK = '''
from opsbot import Text, Tick, UsageError, schedule


@schedule("0 9 * * mon-fri")
async def standup(ctx: Tick) -> str:
    """Call the team together."""
    days = await ctx.storage.update("days", lambda before: before + 1, 0)
    return f"Good morning at {ctx.at:%H:%M}, day {days} <b>"


@schedule("*/5 * * * *", room="!dev:example.org", name="pulse")
async def watch() -> Text:
    """Say something made of HTML."""
    return Text(body="well", html="<b>well</b>")


@schedule("0 0 1 * *")
async def silent() -> None:
    """Say nothing."""


@schedule("0 1 * * *")
async def broken() -> str:
    """Break."""
    return str(1 / 0)


@schedule("0 2 * * *")
async def refused() -> str:
    """Find that something is wrong."""
    raise UsageError("There is no coffee.")


@schedule("0 3 * * *")
async def wrong() -> int:
    """Say something that is no text."""
    return 42
'''

TWINS = '''
@schedule("0 9 * * *")
async def y():
    """Y."""


@schedule("0 9 * * *", name="y")
async def x():
    """X."""
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plugin that has schedules."""
    made = tmp_path / "mine"
    made.mkdir()
    (made / "talk.py").write_text(TALK)
    return made


@pytest.fixture
async def bench(tmp_path: Path, folder: Path) -> AsyncIterator[Bench]:
    """A bot with that plugin, in two rooms and in Berlin."""
    async with Bench.open(tmp_path, folder, rooms=[ROOM, DEV], timezone="Europe/Berlin") as opened:
        yield opened


async def letters(bench: Bench) -> list[tuple[str, str, str]]:
    """Return room, words and HTML of everything that was posted."""
    query = "SELECT room_id, body, html FROM outbox ORDER BY seq"
    return [tuple(row) for row in await bench.database.read(lambda c: c.exec_driver_sql(query).all())]


async def test_a_time_before_a_restoration_is_past(bench: Bench) -> None:
    """What a restored database says is still to be carried out may have been said long ago."""
    at = bench.clock.now()
    bench.engine.on_tick = partial(tick, site=bench.site, since=at)
    assert await bench.tick("standup", at=at) == ""
    assert "Good morning" in await bench.tick("standup", at=at + timedelta(seconds=1))


async def test_a_schedule_speaks_at_its_time(bench: Bench) -> None:
    """What a schedule returns is posted, escaped; it knows its time in the zone, and its plugin's storage."""
    at = datetime(2026, 1, 6, 8, tzinfo=UTC)

    assert await bench.tick("standup", at=at) == "Good morning at 09:00, day 1 <b>"
    assert await bench.tick("standup", at=at + timedelta(days=1)) == "Good morning at 09:00, day 2 <b>"
    assert (await letters(bench))[0][2] == "Good morning at 09:00, day 1 &lt;b&gt;"


async def test_a_time_comes_once(bench: Bench) -> None:
    """However often the same time comes, it is said once."""
    at = bench.clock.now()
    await asyncio.gather(*(bench.tick("standup", at=at) for _ in range(3)))

    assert len(await letters(bench)) == 1


@pytest.mark.parametrize("place", ["before call", "in call", "after call", "before post", "in post", "after post"])
async def test_a_schedule_is_posted_once_over_a_crash(bench: Bench, place: str) -> None:
    """Wherever the process dies, the words are posted once."""
    bench.engine.crash_at = {place}

    assert (await bench.tick("standup")).startswith("Good morning")
    assert place in bench.engine.reached
    assert len(await letters(bench)) == 1


async def test_a_schedule_may_say_nothing(bench: Bench) -> None:
    """A schedule that returns nothing posts nothing."""
    assert await bench.tick("silent") == ""


async def test_a_schedule_speaks_where_its_plugin_says(bench: Bench) -> None:
    """A plugin may name the room; without one it is the first of the configuration. A Text goes as it is."""
    await bench.tick("pulse")
    await bench.tick("standup")

    said = await letters(bench)
    assert [room for room, *_ in said] == [DEV, ROOM]
    assert said[0][2] == "<b>well</b>"


async def test_the_configuration_has_the_last_word_about_the_room(tmp_path: Path, folder: Path) -> None:
    """The room that the configuration gives a schedule goes before the plugin's."""
    async with Bench.open(tmp_path, folder, rooms=[DEV, ROOM], schedules={"pulse": {"room": ROOM}}) as bench:
        await bench.tick("pulse")
        assert (await letters(bench))[0][0] == ROOM


async def test_a_schedule_speaks_only_where_the_bot_listens(tmp_path: Path, folder: Path) -> None:
    """A plugin cannot send words to a room of its own choice: its schedule does not run, and admins read why."""
    async with Bench.open(tmp_path, folder) as bench:
        with pytest.raises(LookupError):
            await bench.tick("pulse")
        told = await bench.say("admin", "!help")
        assert "The schedule pulse of the plugin talk does not run: !dev:example.org is not among `rooms`." in told
        assert await bench.tick("standup")


async def test_a_room_for_a_schedule_that_is_not_there_is_told(tmp_path: Path, folder: Path) -> None:
    """A misspelt schedule in the configuration is named to admins, with the nearest one."""
    async with Bench.open(tmp_path, folder, rooms=[ROOM, DEV], schedules={"stadnup": {"room": ROOM}}) as bench:
        told = await bench.say("admin", "!help")
        assert "No plugin has the schedule stadnup of `schedules`. Did you mean `standup`?" in told


@pytest.mark.parametrize(
    ("name", "words"),
    [("broken", "ZeroDivisionError"), ("refused", "There is no coffee."), ("wrong", "must return a str, a Text or")],
)
async def test_a_fault_goes_to_the_log(bench: Bench, caplog: pytest.LogCaptureFixture, name: str, words: str) -> None:
    """A schedule that breaks says nothing in the room, leaves its reason in the log, and all others go on."""
    with caplog.at_level(logging.ERROR, "opsbot"):
        assert await bench.tick(name) == ""

    (record,) = caplog.records
    assert (record.message, vars(record)["schedule"], vars(record)["plugin"]) == ("schedule failed", name, "talk")
    assert words in f"{record.exc_info} {vars(record).get('why')}"
    assert await bench.tick("standup")


async def test_what_comes_too_late_is_not_said(bench: Bench) -> None:
    """A time that is more than an hour ago when the bot is back is past; a minute less, and it is said."""
    late = bench.clock.now() - timedelta(seconds=TOO_LATE + 1)

    assert await bench.tick("standup", at=late) == ""
    assert await bench.tick("standup", at=late + timedelta(minutes=1)) == "Good morning at 12:00, day 1 <b>"


async def test_a_room_that_is_not_known_yet_is_waited_for(tmp_path: Path, folder: Path) -> None:
    """While the homeserver has not told which room an alias is, the words wait; after an hour they are past."""
    async with Bench.open(tmp_path, folder, rooms=["#ops:example.org"]) as bench:
        bench.chat.away = True
        task = asyncio.create_task(bench.tick("standup"))
        while bench.clock.now().minute < 5:  # noqa: ASYNC110 - it is the bench's clock, which others move
            await asyncio.sleep(0)
        bench.chat.away = False
        assert (await task).startswith("Good morning")

        bench.chat.away = True
        assert await bench.tick("standup") == ""


async def test_a_schedule_whose_plugin_is_gone_ends(bench: Bench) -> None:
    """A time that was under way when its plugin was taken away ends without a word."""
    await bench.engine.tick("nobody", bench.clock.now())
    await bench.engine.finished()

    assert await letters(bench) == []


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ('@schedule("9 o\'clock")\nasync def x():\n    """X."""', "is no cron expression"),
        ('@schedule("0 9 * * *")\nasync def x():\n    pass', "x: it needs a docstring that says what it does."),
        ('@schedule("0 9 * * *")\ndef x():\n    """X."""', "x: it must be an `async def`."),
        ('@schedule("0 9 * * *")\nasync def x(cups):\n    """X."""', "x: nobody gives it cups"),
        ('@schedule("0 9 * * *", name="X Y")\nasync def x():\n    """X."""', "'X Y' is no name"),
        ('@schedule("0 9 * * *", name="y")\nasync def x():\n    """X."""\n' * 2, ""),
        (TWINS, "There is a schedule `y` already."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schedule_is_told_when_it_loads(tmp_path: Path, head: str, problem: str) -> None:
    """A wrong expression, a missing docstring, a parameter that nobody fills: the plugin does not load."""
    (tmp_path / "mine.py").write_text(f"from opsbot import schedule\n\n{head}\n")

    problems = load(tmp_path).problems

    assert problem in "".join(problems)
    assert len(problems) == bool(problem)
