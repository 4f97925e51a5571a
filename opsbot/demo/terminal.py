"""Words on a terminal: lines that are too long for it go on below where they began, and no word is cut."""

import shutil
import textwrap

from prompt_toolkit.utils import get_cwidth

#: Where answers stand beside the name of who speaks (opsbot.demo.script.shown).
_BESIDE = 8


def folded(words: str, columns: int | None = None) -> str:
    """Return WORDS in lines of at most so many COLUMNS, else as many as the terminal has."""
    room = shutil.get_terminal_size().columns if columns is None else columns
    return "\n".join(_line(line, room) for line in words.split("\n"))


def _line(line: str, columns: int) -> str:
    if get_cwidth(line) < columns:
        return line
    words = line.lstrip(" ")
    begin = " " * (len(line) - len(words))
    speaks = not begin and "> " in words[: 2 * _BESIDE]
    # One column stays free for a sign that is two wide.
    return "\n".join(
        textwrap.wrap(
            words,
            max(columns - 1, 2 * _BESIDE),
            initial_indent=begin,
            subsequent_indent=" " * _BESIDE if speaks else begin,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
