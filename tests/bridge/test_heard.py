import asyncio

import pytest

from opsbot.model import Json
from opsbot.workspace.emoji import TONES
from opsbot.workspace.model import Post
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


def part(kind: str, *pieces: Json, **more: Json) -> Json:
    """Return a part of a message as Slack's editor makes it; words alone are a text."""
    elements = [{"type": "text", "text": piece} if isinstance(piece, str) else piece for piece in pieces]
    return {"type": f"rich_text_{kind}", "elements": elements, **more}


def post(whole: Crossing, *parts: Json, **more: Json) -> Post:
    """Return a message of Alice's of these parts."""
    blocks = [{"type": "rich_text", "block_id": "b1", "elements": list(parts)}] if parts else []
    return Post(
        ts=whole.team.stamp(), user=whole.alice.id, text=more.pop("text", "as the blocks"), blocks=blocks, **more
    )


BOLD = {"type": "text", "text": "!hello Alice", "style": {"bold": True, "italic": True}}
WAVE = {"type": "emoji", "name": "wave", "skin_tone": 3, "unicode": "1f44b-1f3fc"}


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([part("section", BOLD)], "Hello, Alice!"),
        ([part("preformatted", "!hello Alice")], "Hello, Alice!"),
        ([part("quote", "Shall we?"), part("section", "!hello Alice")], "Hello, Alice!"),
        ([part("section", "!hello Alice"), part("quote", "Shall we?")], "Hello, Alice!"),
        ([part("section", "!hello ", {"type": "channel", "channel_id": "C0OPS"})], "Hello, #ops!"),
        ([part("section", "!hello ", WAVE)], "Hello, 👋🏼!"),
    ],
    ids=["bold", "code block", "after a quotation", "before a quotation", "channel", "emoji"],
)
async def test_a_command_is_heard_in_each_form(whole: Crossing, parts: list[Json], answer: str) -> None:
    """However Slack's editor dresses a command, and whatever it quotes beside it, what was typed is done."""
    ts = whole.team.publish(whole.ops, post(whole, *parts))
    assert (await whole.answer(ts)).text == answer


async def test_a_command_beside_a_picture_is_heard(whole: Crossing) -> None:
    """Somebody may attach a picture to a command, or two."""
    pictures = [whole.workspace.api.files.share(f"{number}.gif", "image/gif", b"GIF89a") for number in range(2)]
    assert await whole.answer(whole.team.show(whole.alice, whole.ops, "!hello `one`", *pictures[:1]))
    ts = whole.team.show(whole.alice, whole.ops, "!hello two", *pictures)
    assert (await whole.answer(ts)).text == "Hello, two!"
    portal = await whole.portal()
    page = await whole.opsbot.ask("GET", f"rooms/{portal}/messages", dir="b", limit=40)
    shown = [one["content"] for one in page["chunk"] if one["content"].get("msgtype") == "m.image"]
    assert [(one["body"], one.get("filename")) for one in shown][-1] == ("!hello `one`", "0.gif")


async def test_what_somebody_else_said_is_no_command(whole: Crossing) -> None:
    """A quotation, a list, a message that is passed on, the channel's purpose, a file's name: nobody asks for these."""
    before = len(whole.team.see(whole.ops))
    forwarded = {"id": 1, "is_msg_unfurl": True, "author_name": "Adam", "text": "!hello forwarded", "fallback": "x"}
    for one in (
        post(whole, part("quote", "!hello quoted")),
        post(whole, part("list", part("section", "!hello listed"), style="bullet", indent=0)),
        post(whole, text="", attachments=[forwarded]),
        post(whole, text="!hello purpose", subtype="channel_purpose"),
    ):
        whole.team.publish(whole.ops, one)
    whole.team.show(whole.alice, whole.ops, "", whole.workspace.api.files.share("!hello file", "text/plain", b"x"))

    seen = (await whole.quiet())[before:]

    assert [one.text for one in seen if one.who == "opsbot"] == []


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
