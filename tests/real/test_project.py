import asyncio
import os
import pty
import re
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Line, Speaker
from opsbot.demo.stage import TEAM
from opsbot.new import write_project
from tests.pages import TOP, Block, blocks
from tests.real.test_demo import left_behind

pytestmark = pytest.mark.real

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@asynccontextmanager
async def person(homeserver: Homeserver, name: str) -> AsyncIterator[Speaker]:
    """Somebody with an account."""
    token = await homeserver.register(name, name)
    async with Speaker.with_token(homeserver.url, token) as speaker:
        yield speaker


@asynccontextmanager
async def service(project: Path, homeserver: Homeserver, token: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a project's program as its unit does."""
    credentials = project.parent / f"{project.name}-credentials"
    credentials.mkdir()
    (credentials / "token").write_text(token + "\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-E", "-S", str(project / f"src/{project.name.replace('-', '_')}.py")),
        env={"HOMESERVER": homeserver.url, "CREDENTIALS_DIRECTORY": str(credentials)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def has_joined(eve: Speaker, room: str, user: str) -> None:
    """Wait until somebody is in a room."""
    async with asyncio.timeout(30):
        while True:
            if user in (await eve.ask("GET", f"rooms/{room}/joined_members"))["joined"]:
                return
            await asyncio.sleep(0.05)


def by(lines: list[Line], sender: str) -> list[tuple[str, str | None]]:
    """Return what somebody said, each with its thread."""
    return [(line.body, line.thread) for line in lines if line.sender == sender]


async def test_a_project_answers_hello_by_itself(homeserver: Homeserver, tmp_path: Path) -> None:
    """The template's bot goes where it is invited, and answers each `!hello` from then on, where it was said."""
    project = write_project("tea-bot", tmp_path)
    bot = f"@tea-bot:{homeserver.server_name}"
    token = await homeserver.register("tea-bot", "tea-bot")
    async with person(homeserver, "eve-of-tea") as eve, service(project, homeserver, token):
        await eve.ask("PUT", f"profile/{eve.user_id}/displayname", {"displayname": "Eve\n of Tea"})
        room = await eve.create_room()
        await eve.say(room, "!hello")
        await eve.invite(room, bot)
        await has_joined(eve, room, bot)

        await eve.say(room, "hello, bot")
        first = await eve.say(room, "!hello")
        await eve.say(room, "!hello again", thread=first)
        lines = await eve.wait_for(room, lambda lines: len(by(lines, bot)) == 2)

    assert by(lines, bot) == [("Hello, Eve of Tea!", None), ("Hello, Eve of Tea!", first)]


async def test_no_event_ends_a_project(homeserver: Homeserver, tmp_path: Path) -> None:
    """Events that are not as they should be do not end the template's bot."""
    project = write_project("tea-robust", tmp_path)
    bot = f"@tea-robust:{homeserver.server_name}"
    token = await homeserver.register("tea-robust", "tea-robust")
    async with person(homeserver, "mallory-of-tea") as mallory, service(project, homeserver, token):
        room = await mallory.create_room(bot)
        await has_joined(mallory, room, bot)
        for content in (
            {"msgtype": "m.text", "body": ""},
            {"msgtype": "m.image", "body": "!hello", "url": "mxc://x/y"},
            {"msgtype": "m.text", "body": "!hello", "m.relates_to": {"rel_type": "x"}},
        ):
            await mallory.send(room, content)
        await mallory.say(room, "!hello")
        lines = await mallory.wait_for(room, lambda lines: len(by(lines, bot)) == 2)

    assert by(lines, bot) == [("Hello, mallory-of-tea!", None)] * 2


async def test_a_project_without_a_good_token_ends(homeserver: Homeserver, tmp_path: Path) -> None:
    """With a token that the homeserver refuses the service fails with a sentence, and so its deploy is undone."""
    project = write_project("tea-refused", tmp_path)
    async with service(project, homeserver, "no-token") as process:
        _, said = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert said.decode() == "The homeserver refuses the token: give the bot a new one.\n"


class Terminal:
    """The demo at a terminal, as a person has it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shown = ""
        self._read = 0

    async def expect(self, words: str, *, within: float = 90.0) -> None:
        """Wait until WORDS are shown, after what was expected before."""
        async with asyncio.timeout(within):
            while True:
                place = self._shown.find(words, self._read)
                if place >= 0:
                    break
                await asyncio.sleep(0.05)
        self._read = place + len(words)

    def take(self) -> None:
        """Take in what is shown; for the event loop."""
        try:
            self._shown += _ESCAPES.sub("", os.read(self._descriptor, 65536).decode(errors="replace"))
        except OSError:
            asyncio.get_running_loop().remove_reader(self._descriptor)

    def type(self, line: str) -> None:
        """Type a line and press return."""
        os.write(self._descriptor, line.encode() + b"\r")

    def end(self) -> None:
        """Press Ctrl-D."""
        os.write(self._descriptor, b"\x04")

    def __str__(self) -> str:
        return self._shown


@asynccontextmanager
async def demo(clone: Path, folder: Path) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    """Run the demo at a terminal in a CLONE, with a folder for all that it makes."""
    ours, theirs = pty.openpty()
    # Wide enough that no line is folded.
    termios.tcsetwinsize(ours, (40, 400))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", "demo"),
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(TOP), "TMPDIR": str(folder), "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    terminal = Terminal(ours)
    asyncio.get_running_loop().add_reader(ours, terminal.take)
    try:
        yield terminal, process
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def follow(terminal: Terminal, block: Block) -> None:
    """Type what a page's block types at the prompt, and wait for what it shows; an ellipsis stands for anything."""
    for line in block.text.splitlines():
        who, prompt, typed = line.partition("> ")
        if prompt and who in TEAM:
            terminal.type(typed)
            continue
        for words in filter(None, line.strip().split("…")):
            await terminal.expect(words)


async def refused(terminal: Terminal, folder: Path) -> None:
    """Try to bring what is no project, or one whose name is taken."""
    (folder / "empty").mkdir()
    write_project("hello-bot", folder)
    write_project("admin", folder)
    for path, sentence in {
        "": "Say which folder it is in: /project PATH.",
        " ../nowhere": "There is no folder ",
        " ../empty": "has no pyproject.toml: opsbot new project NAME makes a project.",
        " ../hello-bot": "The demo has its own hello-bot: give yours another name.",
        " ../admin": "The demo has its own admin: give yours another name.",
    }.items():
        terminal.type(f"/project{path}")
        await terminal.expect(sentence)


async def test_a_project_from_the_template_joins_the_demo_and_is_deployed(tmp_path: Path) -> None:
    """In the demo a project of one's own joins the platform by two lines, is deployed with it, and then by its name.

    It is done as docs/project-template.md shows it.
    """
    clone, folder = tmp_path / "opsbot", tmp_path / "temporary"
    clone.mkdir()
    folder.mkdir()
    project = write_project("tea-time", tmp_path)
    first, second = blocks(TOP / "docs/project-template.md", "demo")
    async with demo(clone, folder) as (terminal, process):
        try:
            await terminal.expect("deployer> ")
            await refused(terminal, tmp_path)
            await follow(terminal, first)
            for name in ("tea_time.py", "test_tea_time.py"):
                file = project / "src" / name
                file.write_text(file.read_text().replace("Hello, ", "Good tea, "))
            await follow(terminal, second)
            terminal.end()
            assert await asyncio.wait_for(process.wait(), 60) == 0
        except TimeoutError:
            pytest.fail(f"It was not shown in time. The terminal:\n{terminal}")
    assert list(folder.iterdir()) == []
    assert left_behind(folder) == []
