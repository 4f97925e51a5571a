"""From a Slack message to a Matrix one, as mautrix-slack makes it."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from opsbot.mautrix.model import Json
from opsbot.workspace.emoji import NAMES

_PIECE = re.compile(
    r"<(?P<angle>[^<>]+)>|`(?P<code>[^`\n]+)`|(?<!\w)_(?P<italic>[^_\n]+)_(?!\w)|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)"
)


@dataclass(kw_only=True)
class Written:
    """A message's words in both forms, with the accounts that it mentions."""

    body: str = ""
    html: str = ""
    mentions: list[str] = field(default_factory=list)

    def add(self, plain: str, marked: str) -> None:
        """Add some words."""
        self.body += plain
        self.html += marked

    def content(self, msgtype: str = "m.text") -> Json:
        """Return the event's content."""
        content = {
            "msgtype": msgtype,
            "body": self.body,
            "m.mentions": {"user_ids": self.mentions} if self.mentions else {},
        }
        if self.html != html.escape(self.body, quote=False).replace("\n", "<br>"):
            content |= {"format": "org.matrix.custom.html", "formatted_body": self.html}
        return content


#: From a Slack member's id to the Matrix id that is shown for it, and its name.
Naming = Callable[[str], tuple[str, str]]


def read(message: Json, naming: Naming) -> Written:
    """Read a message by its blocks, or by its text when it has none."""
    written = Written()
    blocks = [block for block in message.get("blocks") or () if block.get("type") == "rich_text"]
    if not blocks:
        _read_text(message.get("text", ""), written, naming)
    for element in (element for block in blocks for element in block["elements"]):
        _read_element(element, written, naming)
    return written


def _read_element(element: Json, written: Written, naming: Naming) -> None:
    pieces = element.get("elements") or ()
    if element["type"] == "rich_text_preformatted":
        words = "".join(piece.get("text", "") for piece in pieces)
        written.add(f"```\n{words}\n```", f"<pre><code>{html.escape(words, quote=False)}</code></pre>")
        return
    for piece in pieces:
        _read_piece(piece, written, naming)


def _read_piece(piece: Json, written: Written, naming: Naming) -> None:
    match piece["type"]:
        case "text":
            _add_styled(piece["text"], piece.get("style") or {}, written)
        case "link":
            _add_link(piece["url"], piece.get("text") or piece["url"], written)
        case "user":
            _add_mention(piece["user_id"], written, naming)
        case "emoji":
            shown = NAMES.get(piece["name"], f":{piece['name']}:")
            written.add(shown, shown)
        case _:
            pass


def _add_styled(words: str, style: Json, written: Written) -> None:
    plain, marked = words, html.escape(words, quote=False).replace("\n", "<br>")
    for name, tag, mark in (
        ("code", "code", "`"),
        ("strike", "del", "~~"),
        ("italic", "em", "_"),
        ("bold", "strong", "**"),
    ):
        if style.get(name):
            plain, marked = f"{mark}{plain}{mark}", f"<{tag}>{marked}</{tag}>"
    written.add(plain, marked)


def _add_link(url: str, words: str, written: Written) -> None:
    marked = f'<a href="{html.escape(url)}">{html.escape(words, quote=False)}</a>'
    written.add(f"[{words}]({url})", marked)


def _add_mention(member: str, written: Written, naming: Naming) -> None:
    account, name = naming(member)
    written.mentions.append(account)
    written.add(name, f'<a href="https://matrix.to/#/{quote(account, safe="@:")}">{html.escape(name, quote=False)}</a>')


def _read_text(text: str, written: Written, naming: Naming) -> None:
    rest = 0
    for found in _PIECE.finditer(text):
        _add_styled(html.unescape(text[rest : found.start()]), {}, written)
        rest = found.end()
        kind = found.lastgroup or ""
        words = html.unescape(found[kind])
        if kind != "angle":
            _add_styled(words, {kind: True}, written)
        elif words.startswith("@"):
            _add_mention(words[1:], written, naming)
        else:
            url, _, shown = words.partition("|")
            _add_link(url, shown or url, written)
    _add_styled(html.unescape(text[rest:]), {}, written)


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
