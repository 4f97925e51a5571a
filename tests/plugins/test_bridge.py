from dataclasses import replace
from datetime import timedelta

from opsbot.ailments import BAD_TOKEN
from opsbot.bot import Bot
from opsbot.bridged import Portal, SlackProof
from opsbot.model import SlackNews
from opsbot.testing import Bench


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
    bench.slack.trouble = BAD_TOKEN
    bench.slack.said = SlackNews(problem="invalid_auth", waiting=2)
    said = await bench.say("member", "!bridge")
    assert "✗ Slack does not accept the bot token any more" in said
    assert "`invalid_auth`. 2 wait to be sent again." in said
    assert "✗ Slack: Slack does not accept the bot token" in await bench.say("member", "!status")


async def test_without_its_address_the_bridge_is_not_asked(bench: Bench) -> None:
    """Where the configuration does not say where the bridge is, `!bridge` names the keys."""
    bench.site = replace(bench.site, slack=None)
    bench.bot = Bot(bench.site)
    assert "bridge.url" in await bench.say("member", "!bridge")


async def test_bridge_names_the_channels(bench: Bench) -> None:
    """`!bridge` names the channels where the bot listens, and those where it would if the configuration did."""
    ops = Portal(room_id="!1:x", channel="C0OPS", name="#ops")
    bench.slack.portals = [(ops, True), (replace(ops, channel="C0LAB", name="#lab"), False)]
    said = await bench.say("member", "!bridge")
    assert "channels where I listen: `#ops`; not in `bridge.channels`: `#lab`" in said


async def test_bridge_tells_of_the_self_test(bench: Bench) -> None:
    """`!bridge` shows what came of the last self-test, `!status` only one that failed."""
    assert "self-test: none so far; it needs a channel of its own, `bridge.test_channel`" in await bench.say(
        "member", "!bridge"
    )
    bench.slack.proof = SlackProof(at=bench.clock.now() - timedelta(minutes=3), seconds=0.44)
    assert "✓ self-test, 3 minutes ago: Slack had the message after 0.4 s" in await bench.say("member", "!bridge")
    assert "Slack" not in await bench.say("member", "!status")
    bench.slack.proof = replace(bench.slack.proof, problem="The self-test did not reach Slack: is_archived.")
    assert "✗ self-test, 3 minutes ago: The self-test did not reach Slack" in await bench.say("member", "!bridge")
    assert "✗ Slack: The self-test did not reach Slack" in await bench.say("member", "!status")
