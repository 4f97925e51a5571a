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

#: The most pieces of a message that look different from the rest: each costs some 80 characters of Slack's 13,000.
_MARKS = 100
#: The longest part of a message that a log takes, and the widest table: what a phone shows without turning it.
_LOG = 3000
WIDEST = 60
#: Control characters, unseen marks, halves of characters, private ones, and what breaks lines or paragraphs.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

#: Code, a web address, or a word that may be a name.
_PIECE = re.compile(r"`(?P<code>[^`\n]+)`|https?://\S+|(?P<word>[\w~@/:.-]+)")
#: What looks like the name of a host: the bridge would make a link of it, and of hello-bot.service one to hello-bot.se.
_HOST = re.compile(r"\.[A-Za-z]{2}")
_BREAK = re.compile(r"[\n\t]")
_CUT = "… (cut)"


def clean(words: str) -> str:
    """Show control characters, and marks that nobody sees or that turn the direction of writing; keep line breaks."""
    if words.isascii() and words.isprintable():
        return words
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _HIDDEN else "\ufffd" for c in words)


def one_line(words: str, *, longest: int = 500) -> str:
    """Make one clean line of any text, for a record."""
    plain = " ".join(clean(words).split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def words(sentence: str) -> Text:
    """Make a message of a sentence; what stands between `backticks` becomes code, and so do the names of hosts."""
    plain = clean(sentence)
    return Text(body=plain, html=_PIECE.sub(_mark, html.escape(plain, quote=False)).replace("\n", "<br>"))


def _mark(piece: re.Match[str]) -> str:
    word = piece["word"] or ""
    name = word.rstrip(".:-")
    if piece["code"]:
        return f"<code>{piece['code']}</code>"
    return f"<code>{name}</code>{word[len(name) :]}" if _HOST.search(name) else piece[0]


def code(word: str) -> Text:
    """Make a name that is not to be turned into a link."""
    plain = clean(word).replace("\n", " ").replace("`", "'")
    return Text(body=plain, html=f"<code>{html.escape(plain, quote=False)}</code>")


def bold(word: str) -> Text:
    """Make a heading or a name stand out; the name of a host in it is code, too, or it would be a link."""
    plain = clean(word).replace("\n", " ")
    return Text(body=plain, html=f"<b>{_PIECE.sub(_mark, html.escape(plain, quote=False))}</b>")


def pre(block: str | Iterable[str]) -> Text:
    """Make a block of fixed width: the last lines of a log, a table."""
    plain = clean(block if isinstance(block, str) else "\n".join(block)).expandtabs(4).rstrip("\n")
    # The bridge makes of an empty block what Slack refuses.
    return Text(body=plain, html=f"<pre>{html.escape(plain, quote=False)}</pre>" if plain else "")


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
    """Make a block of the last COUNT lines, or as many of them as a message takes, each cut at WIDTH."""
    rows = log.splitlines() if isinstance(log, str) else list(log)
    kept: list[str] = []
    room = _LOG
    for row in reversed(rows[-count:]):
        short = row.expandtabs(4)
        short = short if len(short) <= width else short[: width - 1] + "…"
        room -= len(short) + 1
        if room < 0:
            kept.append(f"… ({min(count, len(rows)) - len(kept)} earlier lines)")
            break
        kept.append(short)
    return pre(reversed(kept))


def table(rows: Iterable[tuple[str, ...]]) -> Text:
    """Make columns that line up, no wider together than a phone; cells of the widest columns are cut for it."""
    grid = [tuple(_BREAK.sub(" ", clean(cell)) for cell in row) for row in rows]
    widths = [
        max((columns(row[i]) for row in grid if i < len(row)), default=0) for i in range(max(map(len, grid), default=0))
    ]
    while sum(widths) + 2 * (len(widths) - 1) > WIDEST and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return pre("  ".join(_cell(cell, width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in grid)


def columns(words: str) -> int:
    """Return how many columns of a fixed-width font a text takes."""
    return sum(_width(letter) for letter in words)


def _width(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def _cell(words: str, width: int) -> str:
    if (taken := columns(words)) > width:
        room = width - 1
        kept = ""
        for letter in words:
            room -= _width(letter)
            if room < 0:
                break
            kept += letter
        words = f"{kept}…"
        taken = columns(words)
    return words + " " * (width - taken)


def fit(text: Text, *, longest: int = LONGEST) -> Text:
    """Cut a message that is too long for the bridge; a cut one loses its HTML, so that no tag stays open."""
    if len(text.body) <= longest and len(text.html) <= 2 * longest and text.html.count("</") <= _MARKS:
        return text
    return pre(text.body.expandtabs(4)[: longest - len(_CUT) - 1] + "\n" + _CUT)
