"""The plain form of a message that the bridge brings to Matrix: its HTML, written as Markdown."""

from html.parser import HTMLParser

_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "ul", "pre", "blockquote", "div", "hr", "table"})
_MARKS = {"b": "**", "strong": "**", "i": "_", "em": "_", "s": "~~", "del": "~~", "code": "`"}
_ACCOUNT, _ROOM = "https://matrix.to/#/@", "https://matrix.to/#/%21"


def body_of(marked: str) -> str:
    """Return the plain form of some HTML."""
    writer = _Markdown()
    writer.feed(marked)
    writer.close()
    return writer.pieces[0].strip()


class _Markdown(HTMLParser):
    """Writes each element into that around it when it ends; the outermost is `pieces[0]`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces = [""]
        self._tags: list[tuple[str, str]] = []
        #: How many items each open list has by now.
        self._counts: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.pieces[-1] += "\n"
            return
        self._tags.append((tag, dict(attrs).get("href") or ""))
        self.pieces.append("")
        if tag in ("ol", "ul"):
            self._counts.append(0)

    def handle_data(self, data: str) -> None:
        inside = any(tag == "pre" for tag, _ in self._tags)
        if not inside:
            data = data.replace("\n", "")
            while "  " in data:
                data = data.replace("  ", " ")
        self.pieces[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if not self._tags or self._tags[-1][0] != tag:
            return
        _, href = self._tags.pop()
        words = self.pieces.pop()
        written = self._written(tag, href, words if tag == "pre" else words.strip())
        self.pieces[-1] += f"\n{written}\n" if tag in _BLOCKS else written

    def _written(self, tag: str, href: str, words: str) -> str:
        match tag:
            case "a":
                words = _link(words, href)
            case "pre":
                words = f"```\n{words.rstrip()}\n```"
            case "blockquote":
                words = "\n".join(f"> {line}" for line in words.split("\n"))
            case "li":
                words = self._item(words) + "\n"
            case "ol" | "ul":
                self._counts.pop()
            case "code" if any(outer == "pre" for outer, _ in self._tags):
                pass
            case _:
                words = words.join([_MARKS.get(tag, "")] * 2)
        return words

    def _item(self, words: str) -> str:
        ordered = self._tags[-1][0] == "ol"
        self._counts[-1] += 1
        first = f"{self._counts[-1]}. " if ordered else "* "
        return first + words.replace("\n", "\n" + " " * (3 if ordered else 2))


def _link(words: str, href: str) -> str:
    if href.startswith(_ACCOUNT):
        return words
    if href.startswith(_ROOM):
        return f"{words} ({href.partition('?')[0].replace('%21', '!')})"
    return f"<{href}>" if words == href else f"[{words}]({href})"
