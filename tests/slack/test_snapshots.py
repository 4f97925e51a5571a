import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.addressed import Ear
from opsbot.model import Job, JobKind, Outcome, Text
from opsbot.plugins import home, load
from opsbot.render.jobs import closing_line
from opsbot.render.text import LONGEST, WIDEST, columns, words
from opsbot.workspace.model import Json, RefusedError
from tests.slack.scenes import SEEN, Scene, Shown, scenes_in, shown, stage, told_in
from tests.slack.situations import SETTINGS, happen
from tests.transcripts import WRITES

COMMANDS = load(home()).commands
FILES = sorted(SEEN.glob("*.txt"))

#: What notifies people in Slack's rich text.
LOUD = frozenset({"broadcast", "user", "usergroup"})
#: Lines of these begin like that; they are as long as they were said.
LOG = re.compile(r"^    \d{3} ")


def pieces(blocks: list[Json]) -> Iterator[Json]:
    """Yield every part of a message, whatever it is a part of."""
    for block in blocks:
        yield block
        yield from pieces(block.get("elements") or [])


def faults(message: Shown) -> list[str]:
    """Return what is wrong with a message, whatever it says."""
    found = [f"it notifies people: {piece}" for piece in pieces(message.blocks) if piece["type"] in LOUD]
    return found + [f"it has {len(message.words)} characters"] * (len(message.words) > LONGEST)


def wide(text: str) -> list[str]:
    """Return the lines of tables in a stored file that a phone does not show without turning it."""
    fixed = re.findall(r"^    ```\n(.*?)\n    ```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in fixed for line in block.split("\n") if not LOG.match(line)]
    return [line for line in lines if columns(line[4:]) > WIDEST]


def answered(text: str) -> Iterator[tuple[str, str]]:
    """Yield what was said in a stored file with what was answered."""
    for said in re.finditer(r"^\w+> (.+)\n((?:(?: .*)?\n)*)", text, re.MULTILINE):
        yield said[1], said[2]


async def played(scene: Scene, folder: Path) -> str:
    """Hold a conversation, and write it down. Raises AssertionError for what no answer may be."""
    settings = {key: value for step in scene.steps for key, value in SETTINGS.get(step.words, {}).items()}
    told: list[str] = []
    async with stage(folder, settings) as here:
        for step in scene.steps:
            if not step.who and step.words not in SETTINGS:
                await happen(here, step.words)
            answers = await here.say(step.who, step.words) if step.who else await here.news()
            problems = [fault for answer in answers for fault in faults(answer)]
            assert not problems, f"{scene.title}, {step.words}: {problems}"
            told.append(told_in(step, answers))
    return "\n\n".join([f"## {scene.title}", *told])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_what_slack_shows_is_what_is_written(file: Path, tmp_path: Path) -> None:
    """What a member of Slack sees of the commands' answers is what stands in tests/slack/seen, word for word.

    No answer has more than 3,500 characters, or notifies anybody, and Slack takes each of them.
    """
    written = file.read_text()  # noqa: ASYNC240 - nothing else goes on here
    told = [written.partition("\n## ")[0].rstrip()]
    for number, scene in enumerate(scenes_in(written)):
        folder = tmp_path / str(number)
        folder.mkdir()
        told.append(await played(scene, folder))
    now = "\n\n".join(told) + "\n"
    if WRITES:
        file.write_text(now)  # noqa: ASYNC240 - as above
    assert WRITES or written == now, "Run `make snapshots`, and look at the difference."


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_tables_fit_a_phone(file: Path) -> None:
    """No line of a table has more than 60 columns."""
    assert wide(file.read_text()) == []


def test_every_command_is_shown() -> None:
    """Each command has an answer in tests/slack/seen that is no refusal."""
    ear, seen = Ear("!", "@opsbot:example.org"), set()
    for said, answer in (pair for file in FILES for pair in answered(file.read_text())):
        call = ear.hear(said)
        command = None if call is None else COMMANDS.find(call.name)
        if command is not None and answer.strip() and not re.search(r"^    (No: |Usage: `)", answer, re.MULTILINE):
            seen.add(command.name)
    assert sorted(COMMANDS.keys() - seen) == [], "Say these in a scene, and run `make snapshots`."


@pytest.mark.parametrize("outcome", Outcome)
def test_every_end_is_shown(outcome: Outcome) -> None:
    """Each way in which a job may end has its closing line in tests/slack/seen."""
    host, who = "ops-jrz1", {"person": "dora", "room_id": "!a:b", "event_id": "$a", "thread": "$a"}
    job = Job(id="j", kind=JobKind.DEPLOY, host=host, project="hello-bot", target="main", **who)  # type: ignore[arg-type]
    sign = closing_line(job, outcome, "").body.split()[0]
    closings = rf"^  in the channel\n    {sign} .*\(#\d+, \w+\)"
    assert any(re.search(closings, file.read_text(), re.MULTILINE) for file in FILES)


def test_what_is_wrong_with_an_answer_is_found() -> None:
    """A mention, a broadcast and what is too long are found; what only looks like one is none."""
    message = shown("in the thread", words("Hello, @channel and <!here> and @dora!"))
    assert faults(message) == []
    loud = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "broadcast"}]}]}]
    assert len(faults(Shown(place="", words="x" * (LONGEST + 1), blocks=loud, seen=""))) == 2
    with pytest.raises(RefusedError):
        shown("in the thread", Text(body="x", html="<b>x</b>x" * 1000))
    assert wide(f"    ```\n    {'x' * 60}\n    {'y' * 61}\n    ```\n") == [f"    {'y' * 61}"]
