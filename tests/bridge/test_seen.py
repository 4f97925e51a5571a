import html
import re

import pytest

from opsbot.render.text import LONGEST
from tests.bridge.crossing import Crossing

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]

#: Commands that only answer, each in a way of its own.
SAID = (
    *(
        "!help",
        "!help deploy",
        "!status",
        "!status hello-bot",
        "!projects",
        "!generations",
        "!whoami",
        "!locks",
        "!bridge",
    ),
    *(
        "!history",
        "!job 1",
        "!logs hello-bot",
        "!why dora deploy hello-bot",
        "!audit",
        "!nonsense",
        "!deploy",
        "!thanks",
    ),
)


def words(text: str) -> str:
    """Return the signs of a text without the marks and the spaces of either side."""
    return re.sub(r"[\s`*~_]", "", html.unescape(text))


@pytest.mark.parametrize("said", SAID)
async def test_every_answer_survives_as_rich_text(whole: Crossing, said: str) -> None:
    """What Slack shows of an answer is what was meant: every word, no link, no broadcast, not too long."""
    ts = whole.team.say(whole.adam, whole.ops, said)
    seen = await whole.answer(ts)

    portal = await whole.portal()
    meant = next(line for line in reversed(await whole.opsbot.lines(portal)) if line.sender.startswith("@opsbot"))

    assert words(seen.text) == words(meant.body)
    assert "](" not in seen.text, "something became a link"
    assert "@channel!" not in seen.text
    assert len(seen.text) <= LONGEST * 1.2
    for block in re.findall(r"```\n(.*?)\n```", seen.text, re.DOTALL):
        assert max(map(len, block.split("\n"))) <= 200
