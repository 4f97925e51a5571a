import asyncio

import pytest

from opsbot.workspace.model import Channel, Member
from tests.bridge.crossing import Crossing, until

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


async def answered(whole: Crossing, channel: Channel, member: Member, words: str) -> str:
    """Type a command in a channel and return the first answer in its thread."""
    ts = whole.team.say(member, channel, words)

    def told() -> list[str]:
        return [one.text for one in whole.team.see(channel) if one.thread == ts]

    async def something() -> bool:
        return bool(told())

    await until(something, lambda: f"{whole.team.see(channel)}\n{whole.log.read_text()[-3000:]}")
    return told()[0]


async def test_a_new_channel_works_from_its_first_message_on(whole: Crossing) -> None:
    """A channel that the app is invited to needs nothing else: the first command there is answered."""
    new = whole.team.add_channel("releases", whole.alice, app=False)
    whole.team.invite_app(new)
    await asyncio.sleep(0.5)
    assert await answered(whole, new, whole.alice, "!hello newcomer") == "Hello, newcomer!"


async def test_a_rule_about_a_channel_is_by_its_name_in_slack(whole: Crossing) -> None:
    """What a rule forbids in `#quiet` is refused there, to everybody, with the rule's reason; elsewhere it is not."""
    quiet = whole.team.add_channel("quiet", whole.adam)
    said = await answered(whole, quiet, whole.adam, "!projects")
    assert "nothing is listed in the quiet corner" in said
    assert "hello-bot" in (await whole.ask(whole.adam, "!projects")).text


async def test_a_channel_keeps_its_room_when_it_is_renamed(whole: Crossing) -> None:
    """A renamed channel is the same to the bot, which calls it as Slack does now; rules go by the new name."""
    corner = whole.team.add_channel("corner", whole.adam)
    assert "hello-bot" in await answered(whole, corner, whole.adam, "!projects")
    room = await whole.portal(corner)
    whole.team.rename(whole.adam, corner, "quiet")

    async def renamed() -> bool:
        state = await whole.opsbot.ask("GET", f"rooms/{room}/state")
        names = [one["content"]["channel"]["displayname"] for one in state if one["type"] == "m.bridge"]
        return names == ["#quiet"]

    async def obeyed() -> bool:
        return "nothing is listed in the quiet corner" in await answered(whole, corner, whole.adam, "!projects")

    await until(renamed, whole.bridge_words)
    # The bot learns of it by its own sync.
    await until(obeyed, lambda: str(whole.team.see(corner)))
    assert await whole.portal(corner) == room
