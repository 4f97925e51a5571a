import pytest

from opsbot.workspace.team import Seen
from tests.bridge.crossing import Crossing, until

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


def shown(whole: Crossing) -> list[Seen]:
    """Return what Slack shows in the channel that is kept for the self-test."""
    return whole.team.see(whole.kept)


async def edited(whole: Crossing, *, edits: int) -> Seen:
    """Wait until the one message of the self-test was edited so often, and return it."""

    async def done() -> bool:
        there = shown(whole)
        return len(there) == 1 and there[0].edits >= edits

    await until(done, lambda: f"{shown(whole)}\n{whole.log.read_text()[-3000:]}")
    return shown(whole)[0]


async def restart(whole: Crossing) -> None:
    """Start the bot anew: the self-test is done at each start."""
    await whole.stop_bot()
    await whole.start_bot()


async def test_the_self_test_is_one_message_that_is_edited(whole: Crossing) -> None:
    """At each start a message in the channel for it is edited in place, and `!bridge` tells that Slack had it."""
    before = (await edited(whole, edits=0)).edits
    await restart(whole)
    seen = await edited(whole, edits=before + 1)
    assert seen.who == "opsbot"
    assert seen.text.startswith("Self-test of the way to Slack: ")
    answer = (await whole.ask(whole.alice, "!bridge")).text
    assert "✓ self-test, just now: Slack had the message after" in answer
    assert "`#bridge-test`" in answer


async def test_a_self_test_whose_message_is_gone_begins_another(whole: Crossing) -> None:
    """When somebody deletes the message in Slack, the next test posts another one, and all is well."""
    whole.team.delete(whole.kept, (await edited(whole, edits=0)).ts)
    await restart(whole)
    await edited(whole, edits=0)
    assert "✓ self-test" in (await whole.ask(whole.alice, "!bridge")).text


async def test_a_self_test_that_fails_says_why(whole: Crossing) -> None:
    """What Slack says to the message of the self-test is in `!bridge` and in `!status`, with what to do about it."""
    await edited(whole, edits=0)
    whole.kept.archived = True
    await restart(whole)

    async def failed() -> bool:
        return "is_archived" in (await whole.ask(whole.alice, "!bridge")).text

    await until(failed, lambda: whole.log.read_text()[-3000:])
    assert "✗ Slack: The self-test did not reach Slack: is_archived" in (await whole.ask(whole.alice, "!status")).text
    whole.kept.archived = False
    await restart(whole)

    async def well() -> bool:
        return "✓ self-test" in (await whole.ask(whole.alice, "!bridge")).text

    await until(well, lambda: whole.log.read_text()[-3000:])
