"""What the homeserver's JSON says. Whatever it sends, nothing here fails: what cannot be read says nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opsbot.matrix.html import words_of
from opsbot.model import Message, RoomFacts
from opsbot.words import NO, YES

HTML = "org.matrix.custom.html"
BRIDGE_TYPES = ("m.bridge", "uk.half-shot.bridge")
#: What changes the facts of a room.
FACT_TYPES = ("m.room.encryption", *BRIDGE_TYPES)
#: The event types that are asked for. Without the members', a homeserver does not tell that the bot was put out.
TIMELINE_TYPES = (
    "m.room.message",
    "m.reaction",
    "m.room.encrypted",
    "m.room.member",
    *FACT_TYPES,
    "com.beeper.message_send_status",
)

#: The signs of a reaction that mean something here, as programs and Slack name them.
_SIGNS = {YES: YES, ":white_check_mark:": YES, NO: NO, ":x:": NO}
#: What Slack and phones add to a sign: variation selectors, and skin tones as such or by name. The bridge writes the
#: name where the emoji has no tones.
_DRESS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]|::skin-tone-[2-6](?=:)")
#: Files, to which somebody may have said something.
_FILES = frozenset({"m.file", "m.image", "m.video", "m.audio"})
#: Where the bridge names the emoji of a reaction that came from Slack.
_SHORTCODE = "com.beeper.reaction.shortcode"
_PROFILE = "com.beeper.per_message_profile"
_QUOTED = re.compile(r"(?:>[^\n]*(?:\n|$))+\n*")
#: NUL, and halves of characters that stand alone.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
#: What nobody sees and some programs put in: marks without width, and those that turn the direction of writing.
_UNSEEN = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
#: The longest text that is kept; a command is much shorter.
LONGEST = 8000
#: Milliseconds until the last moment that a date can name.
_END_OF_TIME = 253_402_300_799_000


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object, empty when it is none."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """Return a JSON string, empty when it is none; what no database or homeserver takes is replaced."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""


def listing(value: Any) -> list[Any]:
    """Return a JSON list, empty when it is none."""
    return value if isinstance(value, list) else []


def sent_at(event: Any) -> datetime | None:
    """Return when an event was sent, as its sender's server says; None without a sensible time."""
    stamp = mapping(event).get("origin_server_ts")
    if not isinstance(stamp, int) or not 0 < stamp <= _END_OF_TIME:
        return None
    return datetime.fromtimestamp(stamp / 1000, UTC)


def said_in(content: Mapping[str, Any]) -> str:
    """Return the words that somebody typed: quotations, links and formatting undone."""
    html = text(content.get("formatted_body"))
    # Nobody writes a command in so much HTML, and reading it would take its time.
    if content.get("format") == HTML and html and len(html) <= LONGEST:
        return _seen(words_of(html))
    body = text(content.get("body")).strip()
    quoted = _QUOTED.match(body)
    return _seen(body[quoted.end() :] if quoted else body)


def _seen(words: str) -> str:
    return _UNSEEN.sub("", words).strip()[:LONGEST]


def _is_text(content: Mapping[str, Any]) -> bool:
    """Tell whether it is a text, or the words beside a file: then the file's own name stands apart from them."""
    if text(content.get("msgtype")) in _FILES:
        return text(content.get("filename")) not in ("", content.get("body"))
    return content.get("msgtype") == "m.text"


def _may_ask(event: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    """Tell whether it is a person's own, first-hand text."""
    return (
        event.get("type") == "m.room.message"
        and "state_key" not in event
        and _is_text(content)
        and mapping(content.get("m.relates_to")).get("rel_type") != "m.replace"
        and "m.new_content" not in content
        and _PROFILE not in content
        and "redacted_because" not in mapping(event.get("unsigned"))
    )


def to_message(event: Any, *, room_id: str, me: str) -> Message | None:
    """Read an event as a message to the bot; None for whatever must not be executed."""
    event = mapping(event)
    content = mapping(event.get("content"))
    event_id, sender, moment = text(event.get("event_id")), text(event.get("sender")), sent_at(event)
    if not event_id or sender in ("", me) or moment is None:
        return None
    if event.get("type") == "m.reaction":
        return _reaction(event, Message(event_id=event_id, room_id=room_id, sender=sender, body="", sent_at=moment))
    if not _may_ask(event, content):
        return None
    body = said_in(content)
    if not body:
        return None
    return Message(
        event_id=event_id,
        room_id=room_id,
        sender=sender,
        body=body,
        html=text(content.get("formatted_body"))[:LONGEST] or None,
        thread=_thread(content),
        sent_at=moment,
    )


def _reaction(event: Mapping[str, Any], message: Message) -> Message | None:
    """Read a reaction that is a yes or a no; all others say nothing to us."""
    content = mapping(event.get("content"))
    relation = mapping(content.get("m.relates_to"))
    target = text(relation.get("event_id"))
    sign = _sign(text(relation.get("key"))) or _sign(text(content.get(_SHORTCODE)))
    redacted = "redacted_because" in mapping(event.get("unsigned"))
    if not sign or not target or "state_key" in event or redacted or relation.get("rel_type") != "m.annotation":
        return None
    return replace(message, body=sign, reacts_to=target)


def _sign(key: str) -> str:
    """Return YES or NO for a reaction's key, as the programs write it: with variation selectors, skin tones, names."""
    return _SIGNS.get(_DRESS.sub("", key).strip(), "")


def _thread(content: Mapping[str, Any]) -> str | None:
    relation = mapping(content.get("m.relates_to"))
    return (text(relation.get("event_id")) or None) if relation.get("rel_type") == "m.thread" else None


def facts_of(room_id: str, state: Any) -> RoomFacts:
    """Read the state events of a room."""
    creator, encrypted, is_space, bridges = "", False, False, []
    for event in map(mapping, listing(state)):
        sender, key, content = text(event.get("sender")), text(event.get("state_key")), mapping(event.get("content"))
        match event.get("type"):
            case "m.room.create":
                creator, is_space = sender, content.get("type") == "m.space"
            case "m.room.encryption":
                encrypted = True
            case kind if kind in BRIDGE_TYPES:
                bridges.append((sender, key, dict(content)))
    return RoomFacts(room_id=room_id, creator=creator, encrypted=encrypted, is_space=is_space, bridges=tuple(bridges))


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What a sync brought of a room."""

    events: tuple[Any, ...]
    #: Events were left out before these; `before` is where to ask for them.
    limited: bool
    before: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a sync brought."""

    position: str
    timelines: Mapping[str, Timeline]
    #: Who invited the bot, by room.
    invites: Mapping[str, str]
    #: The rooms that the bot is no longer in.
    left: frozenset[str]


def batch_of(answer: Any, *, me: str) -> Batch:
    """Read the answer of a sync; the position is empty if it was none."""
    rooms = mapping(mapping(answer).get("rooms"))
    invites = {text(room): _inviter(invite, me) for room, invite in mapping(rooms.get("invite")).items()}
    return Batch(
        position=text(mapping(answer).get("next_batch")),
        timelines={text(room): _timeline(joined) for room, joined in mapping(rooms.get("join")).items()},
        invites={room: inviter for room, inviter in invites.items() if inviter},
        left=frozenset(map(text, mapping(rooms.get("leave")))),
    )


def _timeline(joined: Any) -> Timeline:
    timeline = mapping(mapping(joined).get("timeline"))
    return Timeline(
        events=tuple(listing(timeline.get("events"))),
        limited=timeline.get("limited") is True,
        before=text(timeline.get("prev_batch")),
    )


def _inviter(invite: Any, me: str) -> str:
    for event in map(mapping, listing(mapping(mapping(invite).get("invite_state")).get("events"))):
        if event.get("type") == "m.room.member" and event.get("state_key") == me:
            return text(event.get("sender"))
    return ""
