"""Slack's rich text: made from what a member types, and read as what a member sees."""

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from opsbot.workspace.model import Json

#: What Slack's own editor makes a link of: a name with a well-known end, or an address.
_LINK = re.compile(r"https?://[^\s<>]+|\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|de|dev|xyz)\b", re.IGNORECASE)
_PIECE = re.compile(
    rf"`(?P<code>[^`\n]+)`|<@(?P<user>\w+)>|:(?P<emoji>[a-z0-9_+-]+):|(?P<link>{_LINK.pattern})", re.IGNORECASE
)
_MARKS = (("code", "`"), ("strike", "~"), ("italic", "_"), ("bold", "*"))


def typed(words: str) -> tuple[str, list[Json]]:
    """Return the text and the blocks that Slack's editor makes of what a member types."""
    elements = list(_elements(words))
    text = "".join(map(_markdown, elements))
    section = {"type": "rich_text_section", "elements": elements}
    return text, [{"type": "rich_text", "block_id": "b1", "elements": [section]}]


def _elements(words: str) -> Iterator[Json]:
    rest = 0
    for found in _PIECE.finditer(words):
        if found.start() > rest:
            yield {"type": "text", "text": words[rest : found.start()]}
        rest = found.end()
        yield _element(found)
    if rest < len(words):
        yield {"type": "text", "text": words[rest:]}


def _element(found: re.Match[str]) -> Json:
    match found.lastgroup:
        case "code":
            return {"type": "text", "text": found["code"], "style": {"code": True}}
        case "user":
            return {"type": "user", "user_id": found["user"]}
        case "emoji":
            return {"type": "emoji", "name": found["emoji"]}
        case _:
            link = found["link"]
            return {"type": "link", "url": link if "://" in link else f"http://{link}", "text": link}


def _markdown(element: Json) -> str:
    match element["type"]:
        case "link":
            return f"<{element['url']}|{element['text']}>"
        case "user":
            return f"<@{element['user_id']}>"
        case "emoji":
            return f":{element['name']}:"
        case _:
            words = html.escape(element["text"], quote=False)
            return f"`{words}`" if element.get("style") else words


class Eyes:
    """Reads blocks as a member sees them; MEMBERS and CHANNELS are names by id."""

    def __init__(self, members: Mapping[str, str], channels: Mapping[str, str]) -> None:
        self._members = members
        self._channels = channels

    def see(self, blocks: Sequence[Json], text: str) -> str:
        """Return what is seen of a message: marks as Slack's own, blocks of fixed width between fences."""
        lines = [self._outer(element) for block in blocks for element in block.get("elements") or ()]
        return "\n".join(lines) if blocks else html.unescape(text)

    def _outer(self, element: Json) -> str:
        inner = self._inner(element)
        match element["type"]:
            case "rich_text_preformatted":
                return f"```\n{inner}\n```"
            case "rich_text_quote":
                return "\n".join(f"> {line}" for line in inner.split("\n"))
            case "rich_text_list":
                return self._list(element)
            case _:
                return inner

    def _list(self, element: Json) -> str:
        bullet: Callable[[int], str] = (lambda n: f"{n}.") if element.get("style") == "ordered" else (lambda _: "•")
        indent = "  " * element.get("indent", 0)
        items = enumerate(element["elements"], element.get("offset", 0) + 1)
        return "\n".join(f"{indent}{bullet(n)} {self._inner(item)}" for n, item in items)

    def _inner(self, element: Json) -> str:
        return "".join(map(self._piece, element.get("elements") or ()))

    def _piece(self, piece: Json) -> str:
        words = self._words(piece)
        style = piece.get("style") or {}
        for name, mark in _MARKS:
            if style.get(name):
                words = f"{mark}{words}{mark}"
        return words

    def _words(self, piece: Json) -> str:
        match piece:
            case {"type": "text", "text": str(text)}:
                words = text
            case {"type": "link", "url": url}:
                words = f"[{piece.get('text') or url}]({url})"
            case {"type": "user", "user_id": member}:
                words = f"@{self._members.get(member, member)}"
            case {"type": "channel", "channel_id": channel}:
                words = f"#{self._channels.get(channel, channel)}"
            case {"type": "emoji", "name": name}:
                words = f":{name}:"
            case {"type": "broadcast", "range": everybody}:
                words = f"@{everybody}!"
            case _:
                words = f"({piece.get('type')})"
        return words
