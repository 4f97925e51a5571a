from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

from opsbot.bot import Bot
from opsbot.model import SlackNews
from opsbot.slackwatch import SlackWatch
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM


async def _letters(bench: Bench) -> AsyncIterator[str]:
    """Yield what waits to be said in the first room."""
    while (letter := await bench.letters.take(ROOM)) is not None:
        yield letter.post.text.body
        await bench.letters.mark_sent(letter.post.cause, f"${letter.post.cause}")


async def test_bridge_tells_how_slack_is(bench: Bench) -> None:
    """`!bridge` shows the login, and when something last came and went."""
    now = bench.clock.now()
    bench.slack.said = SlackNews(heard=now - timedelta(minutes=2), sent=now - timedelta(hours=3))
    said = await bench.say("member", "!bridge")
    assert "✓ The bridge hears Slack." in said
    assert "Acme - opsbot  connected" in said
    assert "last heard from there: 2 minutes ago" in said
    assert "last message there: 3 hours ago" in said


async def test_bridge_and_status_tell_what_is_wrong(bench: Bench) -> None:
    """What keeps us from Slack, and what to do about it, is in `!bridge` and in `!status`."""
    bench.slack.trouble = "Slack does not accept the bot token any more: run `opsbot slack login`."
    bench.slack.said = SlackNews(problem="invalid_auth", waiting=2)
    said = await bench.say("member", "!bridge")
    assert "✗ Slack does not accept the bot token any more" in said
    assert "`invalid_auth`; 2 wait" in said
    assert "✗ Slack: Slack does not accept the bot token" in await bench.say("member", "!status")


async def test_without_its_address_the_bridge_is_not_asked(bench: Bench) -> None:
    """Where the configuration does not say where the bridge is, `!bridge` names the keys."""
    bench.site = replace(bench.site, slack=None)
    bench.bot = Bot(bench.site)
    assert "bridge.url" in await bench.say("member", "!bridge")


async def test_an_outage_is_told_once_and_its_end_with_its_times(bench: Bench) -> None:
    """After a minute without Slack the first room learns why; when it is back, from when to when words may be lost."""
    watch = SlackWatch(bench.site)
    bench.slack.trouble = "The bridge cannot be reached: connection refused."
    for _ in range(5):
        await watch.look()
        bench.clock.pass_time(30)
    bench.slack.trouble = ""
    await watch.look()
    await watch.look()
    letters = [letter async for letter in _letters(bench)]
    assert ["since 12:00. The bridge cannot be reached" in one for one in letters] == [True, False]
    assert "from 12:00 to 12:02" in letters[1]


async def test_a_short_disturbance_is_nobodys_business(bench: Bench) -> None:
    """What is over within a minute is not told."""
    watch = SlackWatch(bench.site)
    bench.slack.trouble = "The bridge did not answer within 20 s."
    await watch.look()
    bench.clock.pass_time(30)
    bench.slack.trouble = ""
    await watch.look()
    assert [letter async for letter in _letters(bench)] == []
