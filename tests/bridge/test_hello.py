import asyncio

import pytest

from opsbot.workspace.rules import POST_GAP
from tests.bridge.crossing import Crossing, until

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


async def test_hello_both_ways(whole: Crossing) -> None:
    """What is said on Matrix is seen in Slack, and what is said in Slack is answered there, in a thread."""
    seen = await whole.ask(whole.alice, "!hello")

    assert seen.who == "opsbot"
    assert seen.text == "Hello, world!"
    assert seen.edits == 0


async def test_a_message_from_matrix_is_seen_in_slack(whole: Crossing) -> None:
    """A post of the bot's account in the bridged room is a message of the app in the channel."""
    portal = await whole.portal()
    await asyncio.sleep(POST_GAP + 0.1)
    await whole.opsbot.say(portal, "Hello from Matrix!")

    async def seen() -> bool:
        return any(one.text == "Hello from Matrix!" and one.who == "opsbot" for one in whole.team.see(whole.ops))

    await until(seen, lambda: str(whole.team.see(whole.ops)))
