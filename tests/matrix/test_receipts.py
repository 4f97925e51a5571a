from typing import Any

import pytest

from opsbot.letters import Receipt
from opsbot.matrix.receipts import receipts_in

BRIDGE = "@slackbot:test"


def event(status: str = "SUCCESS", *, sender: str = BRIDGE, **more: Any) -> dict[str, Any]:
    """Return what the bridge says of the event $1."""
    relation = {"rel_type": "m.reference", "event_id": "$1"}
    content = {"m.relates_to": relation, "status": status, **more}
    return {"type": "com.beeper.message_send_status", "sender": sender, "content": content}


def test_the_bridge_says_how_it_went() -> None:
    """A status event of the bridge is a receipt: Slack has it, or why not."""
    failed = event("FAIL_RETRIABLE", internal_error="slack rate limit exceeded, retry after 3s", message="no")
    assert list(receipts_in([event(), failed], bridge=BRIDGE)) == [
        Receipt(event_id="$1"),
        Receipt(event_id="$1", problem="slack rate limit exceeded, retry after 3s"),
    ]


@pytest.mark.parametrize(
    "said",
    [
        event(sender="@eve:test"),
        event("PENDING"),
        {**event(), "state_key": ""},
        {"type": "com.beeper.message_send_status", "sender": BRIDGE, "content": 5},
        {"type": "m.room.message", "sender": BRIDGE, "content": event()["content"]},
        None,
    ],
)
def test_nobody_else_says_it(said: Any) -> None:
    """A status that somebody else sent, or that says nothing, is none."""
    assert list(receipts_in([said], bridge=BRIDGE)) == []
    assert list(receipts_in([event(sender="")], bridge="")) == []
