"""What an event of ours is made of."""

import json
from typing import Any

from opsbot.letters import Letter
from opsbot.matrix.events import HTML
from opsbot.model import Text

#: Bytes of an event's content; homeservers take events of 65,536 with all that they add themselves.
LARGEST = 60_000
#: How commands of the bridge and of the homeserver begin.
_MARKS = ("!slack", "!admin", "\\!admin")
_CUT = "\n… (the rest is too long for a message)"


def content_of(letter: Letter) -> dict[str, Any]:
    """Return the content of a letter's event; a text that is too long for an event is cut."""
    content = _content(letter, letter.post.text)
    if _size(content) <= LARGEST:
        return content
    # An edit says everything twice, and a character is at most four bytes or six signs of JSON.
    short = letter.post.text.body[: LARGEST // 16] + _CUT
    return _content(letter, Text(body=short, html=""))


def _size(content: Any) -> int:
    return len(json.dumps(content, ensure_ascii=False).encode())


def _quiet(words: Text) -> Text:
    """Keep what somebody made us say from being a command of the bridge, or of the homeserver, in our name."""
    if not words.body.lstrip().startswith(_MARKS):
        return words
    return Text(body=f"> {words.body}", html=f"&gt; {words.html}" if words.html else "")


def _content(letter: Letter, said: Text) -> dict[str, Any]:
    words = _quiet(said)
    # Always m.text: the bridge drops notices. Nobody is ever notified by name.
    content: dict[str, Any] = {"msgtype": "m.text", "body": words.body, "m.mentions": {}}
    if words.html:
        content |= {"format": HTML, "formatted_body": words.html}
    if letter.target is not None:
        relation = {"rel_type": "m.replace", "event_id": letter.target}
        return content | {"body": f"* {words.body}", "m.new_content": content, "m.relates_to": relation}
    if letter.post.thread is not None:
        return content | {"m.relates_to": _in_thread(letter.post.thread)}
    return content


def _in_thread(root: str) -> dict[str, Any]:
    return {
        "rel_type": "m.thread",
        "event_id": root,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": root},
    }
