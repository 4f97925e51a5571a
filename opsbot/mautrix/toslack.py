"""From a Matrix message to Slack's rich text, as mautrix-slack makes it: what it loses is lost here, too."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from opsbot.mautrix.model import Json

#: The ends of names that it takes for those of hosts. Some are missing: .id, .md, .py.
_ENDS = (
    "com|net|org|edu|gov|info|biz|int|dev|a[cdefgilmoqrstuwxz]|b[abdefghijmnorstwz]|c[adfghiklmnorvwxyz]|"
    "d[ejkmz]|e[cegrstu]|f[ijkmor]|g[adefghilmnpqrstwy]|h[kmnrtu]|i[elmnoqt]|j[emop]|k[ehimnrwyz]|"
    "l[abcikrstuvy]|m[acghkmnopqrstuvwxyz]|n[acefgilopruz]|o[m]|p[aefghkmnrstw]|q[a]|r[eosuw]|"
    "s[abcegiklmnrstuvxz]|t[cdghjklmnortvwz]|u[agksyz]|v[acginu]|w[fs]|y[et]|z[amw]"
)
_LINK = re.compile(rf"https?://[^\s/_*]+(?:/\S*)?|[^\s/_*:]+\.(?:{_ENDS})(?:/\S*)?")
_ROOM = "@room"
_LINK_OR_ROOM = re.compile(f"{_LINK.pattern}|{_ROOM}")
_STYLES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "s": "strike",
    "strike": "strike",
    "del": "strike",
    "code": "code",
    "tt": "code",
}
_HEADINGS = frozenset({f"h{size}" for size in range(1, 7)})
_BLOCKS = frozenset({"p", "pre", "ul", "ol", "li", "blockquote", "hr"}) | _HEADINGS
_TO = "https://matrix.to/#/"


def blocks_of(content: Json, ghosts: dict[str, str]) -> list[Json]:
    """Return the blocks of a message; GHOSTS are Slack members by their Matrix ids."""
    mentions = content.get("m.mentions")
    everybody = bool(mentions and mentions.get("room"))
    if content.get("format") == "org.matrix.custom.html":
        meant = None if mentions is None else mentions.get("user_ids", ())
        parser = _Parser({who: it for who, it in ghosts.items() if meant is None or who in meant}, everybody=everybody)
        parser.feed(content.get("formatted_body", ""))
        parser.close()
        # Of nothing it makes null, which Slack does not take.
        return [{"type": "rich_text", "elements": parser.finish() or None}]
    pieces = list(_pieces(content.get("body", ""), {}, everybody=everybody))
    return [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": pieces}]}]


def _pieces(text: str, style: Json, *, everybody: bool = False) -> Iterator[Json]:
    """Yield the words of a text, with links for what looks like one; where EVERYBODY is meant `@room` tells them."""
    rest = 0
    for found in (_LINK_OR_ROOM if everybody else _LINK).finditer(text):
        if found.start() > rest:
            yield _styled({"type": "text", "text": text[rest : found.start()]}, style)
        rest, link = found.end(), found.group()
        if link == _ROOM:
            yield {"type": "broadcast", "range": "channel"}
            continue
        url = link if "://" in link else f"http://{link}"
        yield _styled({"type": "link", "url": url, "text": link}, style)
    if rest < len(text):
        yield _styled({"type": "text", "text": text[rest:]}, style)


def _styled(piece: Json, style: Json) -> Json:
    return piece | ({"style": dict(style)} if style else {})


class _Parser(HTMLParser):
    def __init__(self, ghosts: dict[str, str], *, everybody: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._ghosts = ghosts
        self._everybody = everybody
        self._tags: list[tuple[str, str]] = []
        self._section: list[Json] = []
        self._blocks: list[Json] = []

    def finish(self) -> list[Json]:
        """Return the rich text's elements."""
        self._close_section()
        return self._blocks

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS and not (tag == "p" and self._within("li")):
            self._close_section()
        if tag == "br":
            self._section.append(_styled({"type": "text", "text": "\n"}, self._style()))
            return
        if tag == "hr":
            self._section.append({"type": "text", "text": "---"})
            self._close_section()
            return
        self._tags.append((tag, dict(attrs).get("href") or ""))
        if tag in _HEADINGS:
            self._section.append({"type": "text", "text": "#" * int(tag[1]) + " ", "style": {"bold": True}})

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre" and not self._section:
            self._blocks.append({"type": "rich_text_preformatted", "elements": None, "border": 0})
        if tag in _BLOCKS and not (tag == "p" and self._within("li")):
            self._close_section()
        for place in range(len(self._tags) - 1, -1, -1):
            if self._tags[place][0] == tag:
                del self._tags[place]
                break

    def handle_data(self, data: str) -> None:
        text = data.replace("\n", "") if not self._within("pre") else self._in_pre(data)
        if not text:
            return
        style = self._style()
        link = next((href for tag, href in reversed(self._tags) if tag == "a" and href), "")
        if link.startswith(_TO + "@"):
            member = self._ghosts.get(link.removeprefix(_TO))
            piece = {"type": "user", "user_id": member} if member else {"type": "text", "text": text}
            self._section.append(_styled(piece, style))
        elif link:
            self._section.append(_styled({"type": "link", "url": link, "text": text}, style))
        elif self._within("pre", "code"):
            self._section.append(_styled({"type": "text", "text": text}, style))
        else:
            self._section += _pieces(text, style, everybody=self._everybody)

    def _in_pre(self, text: str) -> str:
        # HTML does not count a line break right behind the tag.
        return text if self._section else text.removeprefix("\n")

    def _within(self, *tags: str) -> bool:
        return any(tag in tags for tag, _ in self._tags)

    def _style(self) -> Json:
        if self._within("pre"):
            return {}
        bold = {"bold": True} if self._within(*_HEADINGS) else {}
        return bold | {_STYLES[tag]: True for tag, _ in self._tags if tag in _STYLES}

    def _close_section(self) -> None:
        pieces, self._section = self._section, []
        if not pieces:
            return
        lists = [tag for tag, _ in self._tags if tag in ("ul", "ol")]
        if self._within("pre"):
            self._blocks.append({"type": "rich_text_preformatted", "elements": pieces, "border": 0})
        elif lists and self._within("li"):
            self._add_item(pieces, "ordered" if lists[-1] == "ol" else "bullet", len(lists) - 1)
        elif self._within("blockquote"):
            self._blocks.append({"type": "rich_text_quote", "elements": pieces})
        else:
            self._blocks.append({"type": "rich_text_section", "elements": pieces})

    def _add_item(self, pieces: list[Json], style: str, indent: int) -> None:
        item = {"type": "rich_text_section", "elements": pieces}
        last = self._blocks[-1] if self._blocks else {}
        if last.get("type") == "rich_text_list" and (last["style"], last["indent"]) == (style, indent):
            last["elements"].append(item)
            return
        new = {"type": "rich_text_list", "elements": [item], "style": style, "indent": indent, "border": 0, "offset": 0}
        self._blocks.append(new)
