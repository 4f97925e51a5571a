"""What people, programs and accidents send: each gets one clear sentence, and everything else goes on."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from sqlalchemy import select

from opsbot.bot import Bot
from opsbot.model import Message
from opsbot.ports import MOST_OPEN
from opsbot.render.text import clean
from opsbot.store.schema import audit
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("!hello " + "x" * 60_000, "That is too long for a command: 60,000 characters"),
        ("!deploy " + "x" * 3_900, "There is no project `xxxxx"),
        ("!deploy " + "a " * 500, "There is no project `a`."),
        ("!hello " + "a " * 500, "`a` is one word too many."),
        ('!deploy "hello-bot; reboot"', "There is no project `hello-bot; reboot`. Did you mean `hello-bot`?"),
        ("!deploy ../../x", "There is no project `../../x`."),
        ("!deploy hello-bot\0", "There is no project `hello-bot\ufffd`. Did you mean `hello-bot`?"),
        ("!deploy hello-bot\x1b[31m", "There is no project `hello-bot\ufffd[31m`."),
        ("!deploy \u202ehello-bot", "There is no project `\ufffdhello-bot`."),
        ("!deploy <b>hello-bot</b>", "There is no project `<b>hello-bot</b>`."),
        ("!deploy `hello-bot`", "There is no project `'hello-bot'`. Did you mean `hello-bot`?"),
        ("!deploy **hello-bot**", "There is no project `**hello-bot**`. Did you mean `hello-bot`?"),
        ("!deploy 'hello-bot", "There is a quotation mark without its partner: add that, or take this one out."),
        ("!deploy hello-bot \\", "There is a backslash at the end, with nothing after it."),
        ("!deploy hello-bot $(reboot)", "A revision is the name of a branch or a tag, or a commit id."),
        ("!deploy hello-bot | sh", "A revision is the name of a branch or a tag, or a commit id."),
        ('!logs "sshd --vacuum-size=1"', "A unit is named like `nginx` or `nginx.service`."),
        ("!logs sshd --vacuum-size=1", "`logs` has no option `--vacuum-size`."),
        ("!restart ../../etc", "A unit is named like `nginx` or `nginx.service`."),
        ("!rollback 99999999999999999999", "A generation is a number like 31"),
        ("!job " + "9" * 400, "There is no job `999"),
        ("!history 99999999999", "COUNT is a number, like 20, not `99999999999`."),
        ("!help " + "\u202e<script>", "There is no command `\ufffd<script>`."),
        ("!" + "x" * 3_000, "There is no command `!xxx"),
    ],
    ids=lambda value: repr(value[:24]),
)
async def test_nonsense_gets_one_clear_sentence(bench: Bench, text: str, sentence: str) -> None:
    """Whatever is wrong is named, harmlessly and briefly; the host hears nothing of it, and the next command works."""
    answer = await bench.say("admin", text)

    assert answer.startswith(sentence)
    assert len(answer) < 500
    assert clean(answer) == answer
    assert [verb for verb, _ in bench.host.asked] == []
    assert await bench.say("member", "!hello") == "Hello, world!"


async def test_the_audit_keeps_one_clean_line(bench: Bench) -> None:
    """What was asked for stands in the audit as one line without control characters, however it was typed."""
    await bench.say("member", "!hello '\x1b[2J\u202e\nfake entry " + "x" * 2_000 + "'")

    rows = await bench.database.read(lambda c: list(c.execute(select(audit.c.what)).scalars()))

    assert len(rows) == 1
    assert rows[0].startswith("hello '\ufffd[2J\ufffd fake entry xxx")
    assert len(rows[0]) <= 500


def talk(number: int, body: str, bench: Bench) -> Message:
    """Somebody's words in the room."""
    return Message(
        event_id=f"${number}", room_id=ROOM, sender="@member:example.org", body=body, sent_at=bench.clock.now()
    )


async def test_ten_thousand_messages_hide_no_command(bench: Bench) -> None:
    """Among ten thousand messages that are no commands the one that is gets its answer; a thousand are held at once."""
    for start in range(0, 10_000, 2_500):
        heap = [talk(n, f"nothing {n}", bench) for n in range(start, start + 2_500)]
        await bench.site.inbox.accept(heap, position=None)
    await bench.site.inbox.accept([talk(10_000, "!hello", bench), talk(10_001, "thanks", bench)], position=None)
    assert len(await bench.site.inbox.open_messages()) == MOST_OPEN

    working = asyncio.create_task(bench.bot.run())
    async with asyncio.timeout(60):
        while await bench.site.inbox.open_messages():
            await bench.database.next_write().wait()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working

    letter = await bench.letters.take(ROOM)
    assert letter is not None
    assert (letter.post.text.body, letter.post.thread) == ("Hello, world!", "$10000")


async def test_more_commands_than_are_held_at_once_are_all_answered(bench: Bench) -> None:
    """What waits beyond the first thousand gets its turn as soon as some of those are done."""
    await bench.site.inbox.accept([talk(n, "!hello", bench) for n in range(MOST_OPEN + 50)], position=None)

    working = asyncio.create_task(Bot(bench.site, look=3600).run())
    async with asyncio.timeout(120):
        while await bench.site.inbox.open_messages():
            await bench.database.next_write().wait()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working

    assert await bench.letters.depth() == MOST_OPEN + 50


@pytest.mark.parametrize("first", ["!deploy hello-bot", "@opsbot fly", "!status", "@opsbot: @other: hello"])
async def test_two_bots_do_not_talk_to_each_other(bench: Bench, tmp_path: Path, first: str) -> None:
    """Two of us in one room answer people, and not each other."""
    (tmp_path / "other").mkdir()
    home = {"url": "http://127.0.0.1:6167", "user": "@other:example.org", "token_file": "token"}
    async with Bench.open(tmp_path / "other", homeserver=home) as other:
        said = await bench.say("deployer", first)
        heard = [await other.say("@opsbot:example.org", paragraph) for paragraph in said.split("\n\n")]

        assert said
        assert not any(heard)
