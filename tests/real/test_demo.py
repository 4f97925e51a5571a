import asyncio
import os
import pty
import re
import signal
import sqlite3
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from opsbot.demo.play import has_room
from opsbot.demo.stage import DemoError
from tests.transcripts import ROOT, shown_in, steady

pytestmark = pytest.mark.real

#: How a terminal is told where to write.
ESCAPES = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


def left_behind(folder: Path) -> list[str]:
    """Return the processes that name a folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


async def demo(script: Path, folder: Path) -> tuple[int | None, str, str]:
    """Run the demo with a script; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", "demo", "--script", str(script)),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, problems = await asyncio.wait_for(process.communicate(), 180)
    return process.returncode, said.decode(), problems.decode()


class Terminal:
    """A person at the prompt of the demo, whose files are in a FOLDER."""

    def __init__(self, line: int, folder: Path) -> None:
        # Wide enough that no line is folded.
        termios.tcsetwinsize(line, (40, 400))
        self._line = line
        self._folder = folder
        self.seen = ""
        os.set_blocking(line, False)
        asyncio.get_running_loop().add_reader(line, self._read)

    def _read(self) -> None:
        try:
            self.seen += ESCAPES.sub("", os.read(self._line, 65536).decode(errors="replace"))
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._line)

    def type(self, words: str) -> None:
        """Type a line."""
        self.press(f"{words}\r")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._line, keys.encode())

    async def until(self, words: str) -> None:
        """Wait until WORDS stand on the screen, or have stood there."""
        try:
            async with asyncio.timeout(90):
                while words not in self.seen:  # noqa: ASYNC110 - a terminal tells nobody
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"{words!r} was not seen: {self.seen[-4000:]!r}")

    async def stage(self, job: int, stage: str) -> None:
        """Wait until a job is at a stage."""
        database = next(self._folder.glob("*/opsbot/opsbot.db"))
        async with asyncio.timeout(90):
            while True:
                with closing(sqlite3.connect(database)) as opened:
                    if opened.execute("SELECT stage FROM jobs WHERE number = ?", (job,)).fetchall() == [(stage,)]:
                        return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def terminal(folder: Path, *, closed: bool = False) -> AsyncIterator[Terminal]:
    """Open the demo in a terminal; Ctrl-D ends it, or that the terminal is CLOSED."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", "demo"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    person = Terminal(ours, folder)
    try:
        yield person
        if closed:
            process.send_signal(signal.SIGHUP)
        else:
            person.press("\x04")
        assert await asyncio.wait_for(process.wait(), 60) == (130 if closed else 0), person.seen[-2000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)


def running(folder: Path) -> list[str]:
    """Return the ids of the processes that are the bot of a demo in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and "opsbot run" in line:
            found.append(path.parent.name)
    return found


async def test_the_demo_is_what_readme_shows_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The conversation in README is what the demo says today; afterwards no process and no file of it is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()

    status, said, problems = await demo(ROOT / "docs/demo.txt", folder)

    assert status == 0, problems
    assert steady(said) == steady(shown_in("README.md"))
    assert list(folder.iterdir()) == []
    assert left_behind(folder) == []


async def test_what_is_broken_at_the_prompt_loses_no_deploy(tmp_path: Path) -> None:
    """With bot, host and homeserver taken away at the prompt while a job runs, it goes on, and has one true end."""
    async with terminal(tmp_path) as person:
        await person.until("deployer>")
        person.type("/kill moon")
        await person.until("There is no moon here to kill. There is `/kill bot` and `/kill homeserver`.")

        person.type("!deploy hello-bot")
        await person.stage(1, "prepare")
        first = running(tmp_path)
        person.type("/kill bot")
        person.type("/cut host 8")
        await person.until("(the bot runs again)")
        assert running(tmp_path)
        assert running(tmp_path) != first
        await person.until("; on main. (#1, deployer)")

        person.type("!rollback")
        await person.stage(2, "activate")
        person.type("/kill homeserver")
        await person.until("(the homeserver runs again)")
        await person.until("held until deployed on purpose: hello-bot. (#2, deployer)")

    told = [line for line in person.seen.splitlines() if "(#1, deployer)" in line or "(#2, deployer)" in line]
    assert len(told) == 2
    assert "runs on `ops-jrz1`: generation 32, before " in told[0]
    assert "Generation 31 runs on `ops-jrz1` again" in told[1]
    assert left_behind(tmp_path) == []


async def test_a_slip_of_the_hand_ends_nothing_and_a_closed_terminal_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C takes back what was typed, talk is told what is heard, and a terminal that is closed ends all of it."""
    async with terminal(tmp_path, closed=True) as person:
        await person.until("deployer>")
        person.press("!deploy hello-bot\x03")
        await person.until("(Ctrl-D ends the demo.)")
        person.type("exit")
        await person.until("opsbot hears what begins with an exclamation mark, like !help")
        person.type("!job")
        await person.until("opsbot> ")

        assert "#1 deploy" not in person.seen
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib's is refused in a coroutine
    assert left_behind(tmp_path) == []


def test_a_full_disk_is_named_before_anything_is_started(tmp_path: Path) -> None:
    """Where the demo has no room it says how much it wants, where, and how it gets another folder."""
    with pytest.raises(DemoError, match=r"wants 1099511627776 MiB in .*, where \d+ MiB are free: .* TMPDIR"):
        has_room(tmp_path, 1 << 40)


async def test_a_script_with_a_bad_line_names_it(tmp_path: Path) -> None:
    """A line of a script that is none is named before anything is started."""
    script = tmp_path / "script.txt"
    script.write_text("deployer: !hello\nnobody: !hello\n")

    status, said, problems = await demo(script, tmp_path)

    assert status == 1
    assert said == ""
    assert "line 2: write WHO: WORDS, where WHO is one of admin, deployer, contributor, member." in problems
