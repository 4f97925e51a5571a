import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]

#: What differs from run to run and from machine to machine.
VARIES = (
    (r"load .*|disks free: .*", "MEASURED"),
    (r"\b[0-9a-f]{7}\b", "COMMIT"),
    (r"\d+ min \d+ s|\d+ min|\d+(\.\d+)? s\b", "TIME"),
    (r"\d+ ms( [\d.]+)?", "LATENCY"),
    (r"just now|\d+ \w+ ago", "AGE"),
    (r"[ \t]+", " "),
)


def steady(text: str) -> str:
    """Take away what varies."""
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text.strip()


def transcript() -> str:
    """Return the conversation that README shows."""
    shown = (ROOT / "README.md").read_text().partition("<!-- transcript -->")[2].partition("<!-- /transcript -->")[0]
    return shown.replace("```", "").strip()


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


async def test_the_demo_is_what_readme_shows_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The conversation in README is what the demo says today; afterwards no process and no file of it is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()

    status, said, problems = await demo(ROOT / "docs/demo.txt", folder)

    assert status == 0, problems
    assert steady(said) == steady(transcript())
    assert list(folder.iterdir()) == []
    assert left_behind(folder) == []


async def test_a_script_with_a_bad_line_names_it(tmp_path: Path) -> None:
    """A line of a script that is none is named before anything is started."""
    script = tmp_path / "script.txt"
    script.write_text("deployer: !hello\nnobody: !hello\n")

    status, said, problems = await demo(script, tmp_path)

    assert status == 1
    assert said == ""
    assert "line 2: write WHO: WORDS, where WHO is one of admin, deployer, contributor, member." in problems
