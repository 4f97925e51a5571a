import asyncio

import pytest

from opsbot.workspace.emoji import TONES
from tests.bridge.crossing import Crossing

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("!hello web-01.example.com", "Hello, `web-01.example.com`!"),
        ("!hello “Alice Smith”", "Hello, Alice Smith!"),
        ("!hello `Alice`", "Hello, Alice!"),
        ("`!hello Alice`", "Hello, Alice!"),
        ("<@U0BOT> hello Alice", "Hello, Alice!"),
        ("!hello @channel", "Hello, @channel!"),
        ("!hello @here", "Hello, @here!"),
    ],
)
async def test_what_slack_makes_of_words_is_undone(whole: Crossing, said: str, answer: str) -> None:
    """Auto-links, curly quotes, code and mentions of the app mean what was typed; and nobody is ever notified."""
    assert (await whole.ask(whole.alice, said)).text == answer


async def test_a_long_dash_is_two_short_ones(whole: Crossing) -> None:
    """What a phone makes of `--dry-run` is understood: a plan, and nothing is changed."""
    ts = whole.team.say(whole.dora, whole.ops, "!deploy hello-bot —dry-run")
    seen = await whole.answer(ts, holds=lambda one: "⏳" not in one.text and "hello-bot" in one.text, within=60)
    assert "ctivated" not in seen.text.replace("Nothing was activated", "")


async def test_a_command_in_a_thread_is_answered_there(whole: Crossing) -> None:
    """A command in a thread is answered in that thread."""
    root = whole.team.say(whole.alice, whole.ops, "Shall we look?")
    await asyncio.sleep(0.2)
    whole.team.say(whole.alice, whole.ops, "!hello thread", thread=root)
    assert (await whole.answer(root, holds=lambda one: one.who == "opsbot")).text == "Hello, thread!"


async def test_only_first_hand_words_of_people_are_commands(whole: Crossing) -> None:
    """Webhooks under anybody's name, edits, `/me` and deleted messages are not answered."""
    before = len(whole.team.see(whole.ops))
    mine = whole.team.say(whole.alice, whole.ops, "Good morning")
    await asyncio.sleep(0.3)
    whole.team.edit(whole.ops, mine, "!hello edit")
    whole.team.say_of_oneself(whole.alice, whole.ops, "!hello me")
    whole.team.hook(whole.ops, "Adam", "!hello webhook")
    whole.team.hook(whole.ops, "Adam", "!rollback")
    gone = whole.team.say(whole.alice, whole.ops, "just a word")
    await asyncio.sleep(0.3)
    whole.team.delete(whole.ops, gone)

    seen = (await whole.quiet())[before:]

    assert [one.who for one in seen if one.who == "opsbot"] == []


@pytest.mark.parametrize("name", ["white_check_mark", "x", "wave", "+1::skin-tone-4"])
async def test_a_reaction_does_no_harm(whole: Crossing, name: str) -> None:
    """A reaction to an answer, with or without a skin tone, given and taken back, is heard without harm."""
    assert "skin-tone-4" in TONES
    ts = whole.team.say(whole.alice, whole.ops, "!hello")
    answer = await whole.answer(ts)
    whole.team.react(whole.alice, whole.ops, answer.ts, name)
    await asyncio.sleep(0.3)
    whole.team.unreact(whole.alice, whole.ops, answer.ts, name)
    assert (await whole.ask(whole.alice, "!hello again")).text == "Hello, again!"
    assert len(whole.told(ts)) == 1


async def test_a_ghost_is_the_person_of_its_member_id(whole: Crossing) -> None:
    """`!whoami` in Slack names the person of the configuration, whatever the display names are."""
    assert "dora" in (await whole.ask(whole.dora, "!whoami")).text


async def test_one_person_on_slack_and_on_matrix(whole: Crossing) -> None:
    """Adam is one person: on Slack, and in the team's room on Matrix."""
    assert "adam" in (await whole.ask(whole.adam, "!whoami")).text
    await whole.adam_there.say(whole.room_id, "!whoami")
    lines = await whole.adam_there.wait_for(
        whole.room_id, lambda lines: any(line.sender.startswith("@opsbot") and "adam" in line.body for line in lines)
    )
    assert lines
