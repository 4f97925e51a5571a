"""The words of a message's HTML form, as the person who typed it saw them."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

_BLOCKS = frozenset({"p", "div", "ul", "ol", "li", "pre", "table", "tr", "hr", *(f"h{size}" for size in range(1, 7))})
#: What is inside was said by somebody else, or is not shown at all.
_UNSAID = frozenset({"mx-reply", "blockquote", "script", "style", "head", "template"})
_SPACE = re.compile(r"\s+")
#: A link to an account is that account, whatever name it shows.
_ACCOUNT = re.compile(r"https://matrix\.to/#/(@[^/?#\s]+)|matrix:u/([^/?#\s]+)", re.IGNORECASE)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._unsaid: list[str] = []
        self._preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSAID:
            self._unsaid.append(tag)
        elif not self._unsaid and tag == "a" and (account := _account(dict(attrs).get("href") or "")):
            self._pieces.append(account)
            self._unsaid.append(tag)
        elif not self._unsaid:
            self._start(tag)

    def _start(self, tag: str) -> None:
        if tag == "br":
            self._pieces.append("\n")
        elif tag in _BLOCKS:
            self._break()
        if tag == "li":
            # Somebody who numbers commands lists them; nobody runs a list.
            self._pieces.append("- ")
        self._preformatted += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unsaid:
            while self._unsaid.pop() != tag:
                pass
        elif not self._unsaid:
            self._preformatted -= tag == "pre" and self._preformatted > 0
            if tag in _BLOCKS:
                self._break()

    def handle_data(self, data: str) -> None:
        if not self._unsaid:
            self._pieces.append(data if self._preformatted else _SPACE.sub(" ", data))

    def _break(self) -> None:
        if self._pieces and not self._pieces[-1].endswith("\n"):
            self._pieces.append("\n")

    def words(self) -> str:
        lines = "".join(self._pieces).split("\n")
        return "\n".join(line.strip() for line in lines).strip()


def _account(address: str) -> str:
    found = _ACCOUNT.match(unquote(address))
    return "" if found is None else found[1] or f"@{found[2]}"


def words_of(html: str) -> str:
    """Return the text of a formatted message: links undone, quotations left out, a line for each block."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    return parser.words()
