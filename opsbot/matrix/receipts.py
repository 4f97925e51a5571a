"""What the bridge says of a message's delivery."""

from collections.abc import Iterable, Iterator
from typing import Any

from opsbot.letters import Receipt
from opsbot.matrix.events import mapping, text

_TYPE = "com.beeper.message_send_status"
_UNSAID = "no reason given"


def receipts_in(events: Iterable[Any], *, bridge: str) -> Iterator[Receipt]:
    """Yield what the bridge's own account says in a room's events; whatever anybody else says of it is nothing."""
    for event in map(mapping, events):
        if bridge and event.get("type") == _TYPE and event.get("sender") == bridge and "state_key" not in event:
            content = mapping(event.get("content"))
            target = text(mapping(content.get("m.relates_to")).get("event_id"))
            match content.get("status"):
                case "SUCCESS":
                    yield Receipt(event_id=target)
                case "FAIL_RETRIABLE" | "FAIL_PERMANENT":
                    words = text(content.get("internal_error")) or text(content.get("message"))
                    yield Receipt(event_id=target, problem=words[:500] or _UNSAID)
                case _:
                    pass
