from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opsbot.standin.machine import Machine
from opsbot.workspace.emoji import NAMES
from opsbot.workspace.team import Seen
from tests.bridge.crossing import Crossing, crossing, until
from tests.transcripts import WRITES, show_in, shown_in, steady

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


def boxed(text: str) -> Iterator[str]:
    """Yield the lines of a text, those of fixed width behind the edge of their box."""
    inside = False
    for line in text.split("\n"):
        if line == "```":
            inside = not inside
        else:
            yield f"│ {line}" if inside else line


def entry(seen: Seen, indent: str) -> Iterator[str]:
    """Yield the lines of a message as a member sees it."""
    first, *rest = boxed(seen.text)
    yield f"{indent}{seen.who}{' (edited)' if seen.edits else ''}: {first}"
    yield from (f"{indent}    {line}".rstrip() for line in rest)
    if seen.reactions:
        yield f"{indent}    " + "  ".join(f"[{NAMES[name]} {', '.join(who)}]" for name, who in seen.reactions.items())


def channel(whole: Crossing, *before: Seen) -> str:
    """Return what stands in the channel, each thread below its message; BEFORE is what stood there and was edited."""
    seen = sorted([*before, *whole.team.see(whole.ops)], key=lambda one: (one.ts, one.edits))
    blocks = []
    for root in (one for one in seen if one.thread is None):
        replies = [line for one in seen if one.thread == root.ts for line in entry(one, "  ")]
        blocks.append("\n".join([*entry(root, ""), *replies]))
    return "\n\n".join(blocks)


async def seen_by(whole: Crossing, holds: Callable[[Seen], bool]) -> Seen:
    """Wait until the bot has said something that HOLDS likes, and return it."""

    async def said() -> bool:
        return any(one.who == "opsbot" and holds(one) for one in whole.team.see(whole.ops))

    await until(said, lambda: f"{channel(whole)}\n{whole.log.read_text()[-3000:]}", within=90)
    return next(one for one in whole.team.see(whole.ops) if one.who == "opsbot" and holds(one))


async def done(whole: Crossing, command: str) -> None:
    """Wait until a job's report and its closing message tell the end."""
    number = whole.told(command)[0].text.split()[1]
    await seen_by(whole, lambda one: one.thread is None and f"({number}, dora)" in one.text)
    await whole.answer(command, holds=lambda one: one.edits > 0 and "⏳" not in one.text, within=90)


async def test_the_whole_story_as_a_member_sees_it(tmp_path: Path) -> None:
    """What docs/slack.md shows is what a member of Slack sees: typed, agreed to by a reaction, taken back."""
    async with Machine(tmp_path / "host") as machine, crossing(tmp_path / "crossing", machine=machine) as whole:
        whole.config["approvals"] = {"deploy": "admin"}
        await whole.start_bot()
        await whole.ask(whole.alice, "!hello")
        await whole.ask(whole.alice, "!status")
        deploy = whole.team.say(whole.dora, whole.ops, "!deploy hello-bot --reason it was time")
        request = await seen_by(whole, lambda one: "waits for somebody's word" in one.text)
        whole.team.react(whole.adam, whole.ops, request.ts, "white_check_mark")
        await done(whole, deploy)
        back = whole.team.say(whole.dora, whole.ops, "!rollback")
        await whole.answer(back)
        await done(whole, back)
        told = channel(whole, request)
    if WRITES:
        show_in("docs/slack.md", told)
    assert steady(told) == steady(shown_in("docs/slack.md")), "Run `SNAPSHOTS=write make test-bridge`."
