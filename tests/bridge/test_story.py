import pytest

from opsbot.workspace.team import Seen
from tests.bridge.crossing import Crossing, until
from tests.bridge.tally import release

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


def is_over(seen: Seen) -> bool:
    """Tell whether a message is a job's report, brought to its end."""
    return seen.edits > 0 and "⏳" not in seen.text


async def closing(whole: Crossing, words: str, *, after: str) -> Seen:
    """Wait until the channel itself has a line of the bot's with these words, AFTER a message, and return it."""
    found: list[Seen] = []

    async def told() -> bool:
        lines = [one for one in whole.team.see(whole.ops) if one.thread is None and one.ts > after]
        found[:] = [one for one in lines if one.who == "opsbot" and words in one.text]
        return bool(found)

    def instead() -> str:
        return "\n".join(map(str, whole.team.see(whole.ops))) + f"\n{whole.log.read_text()[-3000:]}"

    await until(told, instead, within=90)
    return found[-1]


async def test_a_member_sees_how_everything_is(whole: Crossing) -> None:
    """`!status`, typed in Slack, is answered there."""
    seen = await whole.ask(whole.alice, "!status")
    assert "hello-bot" in seen.text


async def test_a_member_may_not_deploy(whole: Crossing) -> None:
    """Whoever is no deployer on Slack is none here: the answer says why."""
    seen = await whole.ask(whole.alice, "!deploy hello-bot")
    assert seen.text.startswith("No: ")


async def test_deployed_and_taken_back_from_slack(whole: Crossing) -> None:
    """A deploy typed in Slack is reported in its thread, in one message that is edited, and closed in the channel."""
    release(whole)
    deploy = whole.team.say(whole.dora, whole.ops, "!deploy hello-bot")
    line = await closing(whole, "hello-bot", after=deploy)
    assert "runs on `ops-jrz1`: generation" in line.text
    report = await whole.answer(deploy, holds=is_over)
    assert report.who == "opsbot"
    assert "restarts `hello-bot.service`" in report.text
    assert len(whole.told(deploy)) == 1

    back = whole.team.say(whole.dora, whole.ops, "!rollback")
    line = await closing(whole, "again", after=back)
    assert "ops-jrz1" in line.text
    await whole.answer(back, holds=is_over)
