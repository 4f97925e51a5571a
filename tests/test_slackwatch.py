from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.bridged import SlackProof
from opsbot.slackwatch import SlackWatch
from opsbot.store.memory import Memory
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM

GONE = "The bridge cannot be reached: connection refused."


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A whole bot over a fake homeserver and a fake Slack."""
    async with Bench.open(tmp_path) as opened:
        yield opened


def watching(bench: Bench) -> SlackWatch:
    """Return a watch, as one that has just been started."""
    return SlackWatch(bench.site, Memory(bench.database))


async def look(bench: Bench, watch: SlackWatch, times: int = 1, *, trouble: str = "") -> list[str]:
    """Look so many times, half a minute apart; return what was said of it in the first room."""
    bench.slack.trouble = trouble
    for _ in range(times):
        await watch.look(bench.slack)
        bench.clock.pass_time(30)
    said = []
    while (letter := await bench.letters.take(ROOM)) is not None:
        said.append(letter.post.text.body)
        await bench.letters.mark_sent(letter.post.cause, f"${letter.post.cause}")
    return said


async def test_an_outage_is_told_once_and_its_end_with_its_times(bench: Bench) -> None:
    """After a minute without Slack the first room learns why; when it is back, from when to when words may be lost."""
    watch = watching(bench)
    assert await look(bench, watch, 2) == []
    (lost,) = await look(bench, watch, 5, trouble=GONE)
    assert lost.startswith(f"⚠️ Slack is not reached since 12:00. {GONE} What is said there meanwhile may not reach me.")
    (back,) = await look(bench, watch, 3)
    assert back == "Slack is reached again. What was said there from 12:00 to 12:03 may not have reached me."


async def test_a_short_disturbance_is_nobodys_business(bench: Bench) -> None:
    """What is over within a minute is not told."""
    watch = watching(bench)
    assert await look(bench, watch, 2, trouble=GONE) == []
    assert await look(bench, watch, 2) == []


@pytest.mark.parametrize("restarts", [(0,), (1,), (2,), (3,), (4,), (5,), (1, 2, 3, 4, 5)])
async def test_an_outage_is_remembered_over_a_restart(bench: Bench, restarts: tuple[int, ...]) -> None:
    """Whenever the bot starts anew, there is one alert and one all-clear, both with the true beginning."""
    watch, said = watching(bench), []
    for turn, trouble in enumerate(("", GONE, GONE, GONE, GONE, "", "")):
        if turn in restarts:
            watch = watching(bench)
        said += await look(bench, watch, trouble=trouble)
    assert ["since 12:00" in one or "from 12:00 to 12:02" in one for one in said] == [True, True]


async def test_an_end_that_nobody_saw_is_told_at_the_next_start(bench: Bench) -> None:
    """When Slack came back while the bot was down, its first look says from when to when words may be lost."""
    assert len(await look(bench, watching(bench), 4, trouble=GONE)) == 1
    bench.clock.pass_time(3600)
    assert "from 12:00 to 13:02" in (await look(bench, watching(bench)))[0]


async def test_the_way_is_tested_at_each_start_and_every_ten_minutes(bench: Bench) -> None:
    """While all is well, a message goes to Slack at each start and every ten minutes."""
    bench.slack.proof = SlackProof(at=bench.clock.now())
    await look(bench, watching(bench), 19)
    assert bench.slack.tests == 1
    watch = watching(bench)
    await look(bench, watch, 20)
    assert bench.slack.tests == 2
    await look(bench, watch)
    assert bench.slack.tests == 3


async def test_a_self_test_that_fails_is_an_outage(bench: Bench) -> None:
    """A bridge that calls itself well and delivers nothing is told like one that is away, and so is its end."""
    watch = watching(bench)
    bench.slack.proof = SlackProof(at=bench.clock.now(), problem="The self-test did not reach Slack: is_archived.")
    (lost,) = await look(bench, watch, 5)
    assert "since 12:00. The self-test did not reach Slack: is_archived." in lost
    assert bench.slack.tests == 5
    bench.slack.proof = SlackProof(at=bench.clock.now())
    assert "from 12:00 to 12:02" in (await look(bench, watch, 2))[0]
    assert bench.slack.tests == 6


async def test_a_bridge_that_is_away_is_not_sent_tests(bench: Bench) -> None:
    """While the bridge says itself that it does not reach Slack, no test message waits for it."""
    await look(bench, watching(bench), 5, trouble=GONE)
    assert bench.slack.tests == 0


async def test_a_test_is_passed_before_the_end_is_told(bench: Bench) -> None:
    """Slack is reached again when a message has arrived there, not when the bridge says that it is connected."""
    watch = watching(bench)
    await look(bench, watch, 4, trouble=GONE)
    bench.slack.proof = SlackProof(at=bench.clock.now(), problem="is_archived")
    assert await look(bench, watch, 2) == []
    bench.slack.proof = SlackProof(at=bench.clock.now())
    assert "from 12:00 to 12:03" in (await look(bench, watch))[0]


async def test_a_slack_that_wants_fewer_messages_was_reached(bench: Bench) -> None:
    """What Slack answers with a pause is no outage: nobody is alarmed, and the test is made again after a minute."""
    watch = watching(bench)
    bench.slack.proof = SlackProof(at=bench.clock.now(), problem="slack rate limit exceeded", busy=True)
    assert await look(bench, watch, 8) == []
    assert bench.slack.tests == 4
    bench.slack.proof = SlackProof(at=bench.clock.now())
    assert await look(bench, watch, 8) == []
    assert bench.slack.tests == 5
