"""The pieces that every message is made of.

What comes in is escaped here, once. The HTML keeps to what mautrix-slack turns into Slack's rich text:
`<b>`, `<code>`, `<pre>` and `<br>`; no tables, no line breaks outside of `<pre>`.
"""

import html
import re
import unicodedata
from collections.abc import Iterable

from opsbot.model import Text

#: The longest message; Slack refuses much longer ones.
LONGEST = 3500

_CODE = re.compile(r"`([^`\n]+)`")
_CUT = "… (cut)"


def clean(words: str) -> str:
    """Take away control characters and marks that turn the direction of writing; keep line breaks."""
    kept = (c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} else "\ufffd" for c in words)
    return "".join(kept)


def words(sentence: str) -> Text:
    """Make a message of a sentence; what stands between `backticks` becomes code."""
    plain = clean(sentence)
    marked = _CODE.sub(lambda m: f"<code>{m.group(1)}</code>", html.escape(plain, quote=False))
    return Text(body=plain, html=marked.replace("\n", "<br>"))


def code(word: str) -> Text:
    """Make a name that is not to be turned into a link."""
    plain = clean(word).replace("\n", " ").replace("`", "'")
    return Text(body=plain, html=f"<code>{html.escape(plain, quote=False)}</code>")


def bold(word: str) -> Text:
    """Make a heading or a name stand out."""
    plain = clean(word).replace("\n", " ")
    return Text(body=plain, html=f"<b>{html.escape(plain, quote=False)}</b>")


def pre(block: str | Iterable[str]) -> Text:
    """Make a block of fixed width: the last lines of a log, a table."""
    plain = clean(block if isinstance(block, str) else "\n".join(block)).expandtabs(4).rstrip("\n")
    return Text(body=plain, html=f"<pre>{html.escape(plain, quote=False)}</pre>")


def join(*parts: Text | str) -> Text:
    """Put pieces side by side; a string counts as words."""
    pieces = [words(part) if isinstance(part, str) else part for part in parts]
    return Text(body="".join(p.body for p in pieces), html="".join(p.html for p in pieces))


def lines(*parts: Text | str | None) -> Text:
    """Put pieces below one another; None is left out."""
    pieces = [words(part) if isinstance(part, str) else part for part in parts if part is not None]
    body = "\n".join(piece.body for piece in pieces)
    marked = ""
    for piece in pieces:
        # <pre> breaks the line by itself; one more <br> would leave a hole.
        gap = "" if not marked or marked.endswith("</pre>") or piece.html.startswith("<pre>") else "<br>"
        marked += gap + piece.html
    return Text(body=body, html=marked)


def tail(log: str | Iterable[str], *, count: int = 20, width: int = 200) -> Text:
    """Make a block of the last COUNT lines, each cut at WIDTH."""
    rows = log.splitlines() if isinstance(log, str) else list(log)
    return pre(row if len(row) <= width else row[: width - 1] + "…" for row in rows[-count:])


def table(rows: Iterable[tuple[str, ...]]) -> Text:
    """Make columns that line up, for a phone's width."""
    grid = [tuple(clean(cell) for cell in row) for row in rows]
    widths = [
        max((len(row[i]) for row in grid if i < len(row)), default=0) for i in range(max(map(len, grid), default=0))
    ]
    return pre("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in grid)


def fit(text: Text, *, longest: int = LONGEST) -> Text:
    """Cut a message that is too long for the bridge; a cut one loses its HTML, so that no tag stays open."""
    if len(text.body) <= longest and len(text.html) <= 2 * longest:
        return text
    return pre(text.body[: longest - len(_CUT) - 1] + "\n" + _CUT)
