"""From a Slack message to a Matrix one, as mautrix-slack makes it."""

import html
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Protocol
from urllib.parse import quote

from opsbot.mautrix.model import Json
from opsbot.mautrix.tobody import body_of
from opsbot.workspace.emoji import NAMES, TONES

_PIECE = re.compile(
    r"<(?P<angle>[^<>]+)>|`(?P<code>[^`\n]+)`"
    r"|(?<!\w)_(?P<italic>[^_\n]+)_(?!\w)|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)|(?<!\w)~(?P<strike>[^~\n]+)~(?!\w)"
)
#: From the outermost to the innermost.
_MARKS = (("bold", "strong"), ("italic", "em"), ("strike", "del"), ("code", "code"))
_NUMBERS = ("1", "a", "i")


class Names(Protocol):
    """Whom and what a message may name."""

    def naming(self, member: str) -> tuple[str, str]:
        """Return the Matrix id that is shown for a member, and a name."""

    def place(self, channel: str) -> tuple[str, str] | None:
        """Return the room of a channel and its name; None for one that has none."""


class Written:
    """A message's words as HTML, with the accounts that it mentions."""

    def __init__(self, names: Names, server: str) -> None:
        self.names = names
        self.server = server
        self.html = ""
        self.mentions: list[str] = []
        self.everybody = False

    def content(self, msgtype: str = "m.text") -> Json:
        """Return the event's content."""
        mentions: Json = {"user_ids": self.mentions} if self.mentions else {}
        body = body_of(self.html)
        content = {
            "msgtype": msgtype,
            "body": body,
            "m.mentions": mentions | ({"room": True} if self.everybody else {}),
        }
        if self.html != body:
            content |= {"format": "org.matrix.custom.html", "formatted_body": self.html}
        return content

    def mention(self, member: str) -> str:
        """Return the link to somebody."""
        account, name = self.names.naming(member)
        if account not in self.mentions:
            self.mentions.append(account)
        return f'<a href="https://matrix.to/#/{quote(account, safe="@:")}">{_escaped(name)}</a>'

    def channel(self, channel: str) -> str:
        """Return the link to a channel's room."""
        place = self.names.place(channel)
        if place is None:
            return _escaped(f"<#{channel}>")
        room, name = place
        return f'<a href="https://matrix.to/#/{quote(room)}?via={self.server}">#{_escaped(name)}</a>'

    def all(self) -> str:
        """Return what stands for everybody in the channel."""
        self.everybody = True
        return "@room"


def read(message: Json, names: Names, server: str) -> Written:
    """Read a message by its blocks, or by its text when it has none."""
    written = Written(names, server)
    blocks = [block for block in message.get("blocks") or () if block.get("type") == "rich_text"]
    if blocks:
        written.html = "".join(_elements(block["elements"], written) for block in blocks)
    else:
        written.html = _text(message.get("text", ""), written)
    attachments = message.get("attachments") or ()
    written.html += "<br>" if written.html and attachments else ""
    # A preview of a link is none of the words.
    for attached in (one for one in attachments if not one.get("original_url")):
        author = f"<b>{_escaped(attached['author_name'])}</b><br>" if attached.get("author_name") else ""
        written.html += f"<blockquote>{author}{_text(attached.get('text', ''), written)}<br></blockquote>"
    return written


def _depth(element: Json) -> int:
    depth: int = element.get("border", 0) + (element["type"] == "rich_text_quote")
    return depth


def _elements(elements: Sequence[Json], written: Written) -> str:
    marked, alone = "", len(elements) == 1
    for quoted, group in groupby(elements, key=lambda one: _depth(one) > 0):
        inner = "".join(
            _lists(list(some), written) if kind == "rich_text_list" else _each(list(some), written, alone or quoted)
            for kind, some in groupby(group, key=lambda one: one["type"])
        )
        marked += f"<blockquote>{inner}</blockquote>" if quoted else inner
    return marked


def _each(elements: Sequence[Json], written: Written, alone: bool) -> str:  # noqa: FBT001 - a fact about all of them
    marked = ""
    for element in elements:
        if element["type"] == "rich_text_preformatted":
            words = "".join(piece.get("text", "") for piece in element["elements"])
            marked += f"<pre><code>{_go(words)}</code></pre>"
        else:
            words = _pieces(element, written)
            marked += words if alone else f"<p>{words}</p>"
    return marked


def _lists(lists: Sequence[Json], written: Written) -> str:
    """Write lists of which each is deeper than the first, or goes on with it."""
    first = lists[0]
    ordered, indent = first["style"] == "ordered", first.get("indent", 0)
    items: list[str] = []
    for deeper, group in groupby(lists, key=lambda one: one.get("indent", 0) > indent):
        if deeper:
            items[-1] += _lists(list(group), written)
        else:
            items += [_pieces(item, written) for one in group for item in one["elements"]]
    inner = "".join(f"<li>{item}</li>" for item in items)
    return f'<ol type="{_NUMBERS[indent % 3]}">{inner}</ol>' if ordered else f"<ul>{inner}</ul>"


def _pieces(element: Json, written: Written) -> str:
    return "".join(_styled(_piece(piece, written), piece.get("style") or {}) for piece in element.get("elements") or ())


def _piece(piece: Json, written: Written) -> str:
    match piece["type"]:
        case "text":
            marked = _escaped(piece["text"])
        case "link":
            marked = _link(piece["url"], piece.get("text") or piece["url"])
        case "user":
            marked = written.mention(piece["user_id"])
        case "channel":
            marked = written.channel(piece["channel_id"])
        case "usergroup":
            marked = f"@{piece['usergroup_id']}"
        case "broadcast":
            marked = written.all()
        case "emoji":
            tone = TONES.get(f"skin-tone-{piece.get('skin_tone', 0)}", "")
            marked = NAMES.get(piece["name"], f":{piece['name']}:") + tone
        case _:
            marked = ""
    return marked


def _styled(marked: str, style: Json) -> str:
    for name, tag in reversed(_MARKS):
        if style.get(name):
            marked = f"<{tag}>{marked}</{tag}>"
    return marked


def _link(url: str, words: str) -> str:
    return f'<a href="{_go(url)}">{_escaped(words)}</a>'


def _go(words: str) -> str:
    """Escape as Go does."""
    return html.escape(words).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


def _escaped(words: str) -> str:
    return _go(words).replace("\n", "<br/>")


def _text(text: str, written: Written) -> str:
    """Read what an app said without blocks."""
    marked, rest = "", 0
    for found in _PIECE.finditer(text):
        marked += _escaped(html.unescape(text[rest : found.start()]))
        rest = found.end()
        kind = found.lastgroup or ""
        words = html.unescape(found[kind])
        marked += _angle(words, written) if kind == "angle" else _styled(_escaped(words), {kind: True})
    return marked + _escaped(html.unescape(text[rest:]))


def _angle(words: str, written: Written) -> str:
    target, _, shown = words.partition("|")
    match target[:1]:
        case "@":
            return written.mention(target[1:])
        case "#":
            return written.channel(target[1:])
        case "!":
            written.everybody = True
            return ""
        case _:
            return _link(target, shown or target)


def with_profile(content: Json, name: str) -> Json:
    """Let a webhook's message show the name that it gave itself."""
    marked = content.get("formatted_body") or html.escape(content["body"], quote=False)
    profile = {"id": name, "displayname": name, "has_fallback": True}
    return content | {
        "body": f"{name}: {content['body']}",
        "format": "org.matrix.custom.html",
        "formatted_body": f"<strong data-mx-profile-fallback>{html.escape(name)}: </strong>{marked}",
        "com.beeper.per_message_profile": profile,
    }
