"""The pages as their tests read them: blocks with their language and how they are held."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

TOP = Path(__file__).parent.parent
README = TOP / "README.md"
PAGES = [README, *sorted((TOP / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    #: How a block of commands is held: `tested`, or `platform`, where it takes a real one.
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(TOP)}:{self.line}"


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """Return the blocks of a page, or those in one language."""
    return [block for block in _blocks(page) if language in (None, block.language)]


def _blocks(page: Path) -> Iterator[Block]:
    written = page.read_text()
    for found in _BLOCK.finditer(written):
        first, _, mark = found["info"].partition(" ")
        line = written.count("\n", 0, found.start()) + 1
        yield Block(page=page, line=line, language=first, mark=mark, text=dedent(found["text"]))


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return _BLOCK.sub("", page.read_text())
