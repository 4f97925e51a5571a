import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.intake import Intake
from opsbot.jobs.runner import give_up
from opsbot.model import Job, JobKind, Message, Post, Text, job_id
from opsbot.render.jobs import first_words
from opsbot.store.records import Records
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM
from opsbot.watchdog import QUIET, Watchdog

DEV = "!dev:example.org"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bot with two rooms, whose clock shows the present."""
    async with Bench.open(tmp_path, rooms=[ROOM, DEV]) as opened:
        opened.clock.pass_time((datetime.now(UTC) - opened.clock.now()).total_seconds())
        yield opened


class Forgetful:
    """An engine that has something to forget."""

    def __init__(self, *, works: int = 0) -> None:
        self.works = works
        self.before: datetime | None = None

    async def forget(self, before: datetime) -> int:
        """Forget up to two works."""
        self.before = before
        found = min(self.works, 2)
        self.works -= found
        return found


@pytest.fixture
def watchdog(bench: Bench) -> Watchdog:
    """What looks for the unsaid."""
    return Watchdog(bench.site, Records(bench.database), forget=Forgetful().forget)


async def waiting(bench: Bench, room: str = ROOM) -> list[str]:
    """Return what waits to be sent to a room, and let it be sent."""
    found = []
    while (letter := await bench.letters.take(room)) is not None:
        found.append(letter.post.text.body)
        await bench.letters.mark_sent(letter.post.cause, f"$of-{letter.post.cause}")
    return found


def post(cause: str, *, room: str = ROOM, thread: str | None = None) -> Post:
    """Make a message."""
    return Post(cause=cause, room_id=room, text=Text(body=cause, html=cause), thread=thread)


async def refuse(bench: Bench, room: str) -> str:
    """Let the homeserver refuse the next message of a room; return its thread."""
    letter = await bench.letters.take(room)
    assert letter is not None
    await bench.letters.mark_refused(letter.post.cause, "Event too large.")
    return letter.post.thread or ""


async def test_a_message_that_was_refused_is_told_where_it_was_to_be(bench: Bench, watchdog: Watchdog) -> None:
    """The thread that waited for an answer reads in one sentence that it was refused, why, and what to do."""
    await bench.letters.post(post("answer", thread="$asked"))
    await refuse(bench, ROOM)

    await watchdog.look()
    letter = await bench.letters.take(ROOM)
    await watchdog.look()

    assert letter is not None
    assert letter.post.thread == "$asked"
    assert letter.post.text.body == (
        "⚠️ The homeserver did not take what I had to say: Event too large. `!jobs` and `!status` show where things "
        "stand; ask again for what you miss."
    )
    assert await bench.letters.depth() == 1


async def test_where_nothing_can_be_said_the_first_room_is_told(bench: Bench, watchdog: Watchdog) -> None:
    """When a room takes no word at all, the first configured one reads of it; where that does not either, the log."""
    await bench.letters.post(post("a", room=DEV))
    await refuse(bench, DEV)
    await watchdog.look()
    await refuse(bench, DEV)

    await watchdog.look()

    assert await bench.letters.depth() == 1
    [said] = await waiting(bench)
    assert said.startswith(f"⚠️ The homeserver did not take what I had to say in `{DEV}`: Event too large.")
    await bench.letters.post(post("b"))
    await refuse(bench, ROOM)
    await watchdog.look()
    await refuse(bench, ROOM)
    await watchdog.look()
    assert await bench.letters.depth() == 0


async def test_a_bot_that_is_put_out_of_a_room_says_so_once(bench: Bench, watchdog: Watchdog) -> None:
    """A hundred refused edits of a report are one sentence an hour."""
    for number in range(5):
        await bench.letters.post(post(f"a{number}", room=DEV))
        await refuse(bench, DEV)
        await watchdog.look()
        while await bench.letters.depth():
            if (await bench.letters.rooms()) == [ROOM]:
                break
            await refuse(bench, DEV)
            await watchdog.look()
    assert len(await waiting(bench)) == 1


async def test_where_the_first_room_is_not_known_yet_nothing_is_lost(tmp_path: Path) -> None:
    """What cannot be told while nobody knows the id of the first room is told when that is known."""
    async with Bench.open(tmp_path, rooms=["#ops:example.org"]) as bench:
        watchdog = Watchdog(bench.site, Records(bench.database), forget=Forgetful().forget)
        await bench.letters.post(post("a"))
        await refuse(bench, ROOM)
        bench.chat.away = True
        await watchdog.look()
        assert await bench.letters.depth() == 0
        bench.chat.away = False
        await watchdog.look()
        assert len(await waiting(bench)) == 1


def job(bench: Bench, stage: str = "activate") -> Job:
    """Make a job that is at a stage."""
    return Job(
        id=job_id("$asked"),
        kind=JobKind.DEPLOY,
        host="ops-jrz1",
        project="hello-bot",
        target="main",
        person="deployer",
        room_id=ROOM,
        event_id="$asked",
        thread="$asked",
        created_at=bench.clock.now(),
        stage=stage,
    )


async def opened(bench: Bench, stage: str = "activate") -> Job:
    """Have an open job that has said its first words."""
    made = await bench.site.inbox.finish("$asked", job=job(bench, stage))
    assert made is not None
    await bench.letters.post(first_words(made))
    await waiting(bench)
    return made


async def test_a_job_without_news_is_told_about_once(bench: Bench, watchdog: Watchdog) -> None:
    """A job of which nobody has heard for half an hour is told about, once a stage, with what a person can do."""
    made = await opened(bench)
    await watchdog.look()
    assert await waiting(bench) == []

    bench.clock.pass_time(QUIET.total_seconds() + 60)
    await watchdog.look()
    await watchdog.look()

    [said] = await waiting(bench)
    assert "#1 deploy hello-bot main on `ops-jrz1`, for deployer: no news for 31 min, at activate." in said
    assert f"`opsbot-host state {made.id}` there shows what it does, `!cancel 1` ends it." in said
    await bench.site.ledger.at_stage(made.id, "prove")
    await watchdog.look()
    assert len(await waiting(bench)) == 1


async def test_a_job_that_speaks_is_left_alone(bench: Bench, watchdog: Watchdog) -> None:
    """As long as a report is edited, its job has news; one that waits for a person's word reminds of it by itself."""
    made = await opened(bench)
    bench.clock.pass_time(QUIET.total_seconds() - 60)
    await watchdog.look()
    assert await waiting(bench) == []

    bench.clock.pass_time(timedelta(days=1).total_seconds())
    for stage in ("approval", "queue"):
        await bench.site.ledger.at_stage(made.id, stage)
        await watchdog.look()
        assert await waiting(bench) == []


async def test_a_job_that_is_given_up_says_what_a_person_must_do(bench: Bench) -> None:
    """The closing line of a lost job names the reason, and the commands that show what became of it."""
    made = await opened(bench)

    await give_up(made, bench.site, "nobody works on it")

    *_, closing = await waiting(bench)
    assert "I could not bring this to its end (nobody works on it). A person must look: `!status` shows" in closing
    assert f"`opsbot-host state {made.id}` on `ops-jrz1`" in closing


async def test_what_is_of_no_use_any_more_is_forgotten_in_small_pieces(bench: Bench) -> None:
    """The engine is asked to forget until there is nothing left, and only what ended two months ago."""
    engine = Forgetful(works=5)
    await Watchdog(bench.site, Records(bench.database), forget=engine.forget).prune()
    assert engine.works == 0
    assert engine.before is not None
    assert bench.clock.now() - engine.before > timedelta(days=59)


async def test_a_command_whose_handling_dies_ends_in_a_sentence(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A message that breaks what handles it is put away with a sentence; it stops neither others nor the next start."""

    async def handle(message: Message) -> None:
        if message.body == "!break":
            raise ZeroDivisionError
        await bench.bot.handle(message)

    intake = Intake(
        bench.site.inbox,
        bench.clock,
        calls=lambda _: True,
        handle=handle,
        wake=asyncio.Event(),
        on_turn=lambda: None,
        look=0.01,
    )
    said = [("$1", "!break"), ("$2", "!hello")]
    now = bench.clock.now()
    await bench.site.inbox.accept(
        [
            Message(event_id=event, room_id=ROOM, sender="@member:example.org", body=body, sent_at=now)
            for event, body in said
        ],
        position=None,
    )
    running = asyncio.create_task(intake.run())
    async with asyncio.timeout(20):
        while await bench.site.inbox.open_messages():
            await bench.database.next_write().wait()
    assert not running.done()
    running.cancel()

    answers = await waiting(bench)
    reference = next(record.__dict__["reference"] for record in caplog.records if "reference" in record.__dict__)
    broken = next(answer for answer in answers if "Hello" not in answer)
    assert broken == (
        f"I did not bring that to its end; an admin finds it in my log under `{reference}`. See with the command "
        "`jobs` what became of it before you send it again."
    )
    assert len(answers) == 2
