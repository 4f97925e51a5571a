import asyncio

import pytest

from tests.bridge.crossing import Crossing, until

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


async def test_what_slack_has_no_time_for_arrives_later_once(whole: Crossing) -> None:
    """When Slack answers 429 the message is sent again after the pause; both sides see it once."""
    whole.workspace.api.weather.be_busy(4)

    ts = whole.team.say(whole.alice, whole.ops, "!hello patience")
    seen = await whole.answer(ts)

    assert seen.text == "Hello, patience!"
    assert ("chat.postMessage", "ratelimited") in whole.workspace.calls
    assert len(whole.told(ts)) == 1
    portal = await whole.portal()

    async def once() -> bool:
        lines = await whole.opsbot.lines(portal)
        return [line.body for line in lines].count("Hello, patience!") == 1

    await until(once, lambda: "Matrix does not see it once")


async def test_what_is_too_long_for_slack_arrives_shortened(whole: Crossing) -> None:
    """When Slack finds a message too long, less of it is sent."""
    whole.workspace.api.weather.refuse("msg_blocks_too_long")

    seen = await whole.ask(whole.alice, "!help")

    assert "… (cut)" in seen.text


async def test_what_slack_never_takes_is_told_on_matrix(whole: Crossing) -> None:
    """When Slack will never take a message, the team's room on Matrix has it, with the reason and what to do."""
    whole.workspace.api.weather.refuse("is_archived")

    ts = whole.team.say(whole.alice, whole.ops, "!hello nobody")

    async def told() -> bool:
        lines = await whole.adam_there.lines(whole.room_id)
        return any("in `#ops`: `is_archived`" in line.body and "Hello, nobody!" in line.body for line in lines)

    await until(told, lambda: whole.log.read_text()[-3000:])
    assert whole.told(ts) == []
    assert (await whole.ask(whole.alice, "!hello again")).text == "Hello, again!"


async def test_a_bridge_that_comes_back_brings_what_was_said_meanwhile(whole: Crossing) -> None:
    """What the bot says while the bridge is away reaches Slack when it is back, once."""
    portal = await whole.portal()
    await whole.bridge.kill()
    # A new bridge does not know that Slack just took something of the old one's, and a second must lie between.
    await asyncio.sleep(1.1)
    await whole.opsbot.say(portal, "Said while you were out")
    assert await whole.bridge.start() is None
    await whole.until_connected()

    def times() -> int:
        return [seen.text for seen in whole.team.see(whole.ops)].count("Said while you were out")

    async def arrived() -> bool:
        return times() > 0

    await until(arrived, whole.bridge_words, within=60)
    assert (await whole.ask(whole.alice, "!hello")).text == "Hello, world!"
    assert times() == 1


async def test_a_bridge_that_slack_does_not_let_in_is_told_with_what_to_do(whole: Crossing) -> None:
    """A bridge that starts while Slack is down stays out when it is up again; `!bridge` says what brings it back."""
    await whole.bridge.stop()
    whole.workspace.broken.add("team.info")
    assert await whole.bridge.start() is None

    async def out() -> bool:
        return any(one.state == "UNKNOWN_ERROR" for one in await whole.provisioning.logins())

    await until(out, whole.bridge_words)
    whole.workspace.broken.clear()
    await whole.adam_there.say(whole.room_id, "!bridge")
    why = "did not get into Slack when it started: slack server error: 503 Service Unavailable. It tries again where"
    await whole.adam_there.wait_for(whole.room_id, lambda lines: any(why in line.body for line in lines))
    await whole.bridge.stop()
    assert await whole.bridge.start() is None
    await whole.until_connected()
