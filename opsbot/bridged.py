"""What is known of the channels behind the bridge, and of the way there."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Portal:
    """A room that the bridge made for a channel of Slack."""

    room_id: str
    #: The channel's id, like C0OPS.
    channel: str
    #: What Slack calls it now, like #ops.
    name: str


@dataclass(frozen=True, kw_only=True)
class SlackProof:
    """What came of a self-test of the way to Slack, begun AT some time; `problem` is empty when Slack has it."""

    at: datetime
    seconds: float = 0.0
    problem: str = ""
    #: Slack was reached, and wants fewer messages.
    busy: bool = False
