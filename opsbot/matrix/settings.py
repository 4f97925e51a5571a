"""What the chat edge must be told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from opsbot.bridged import Portal
from opsbot.model import RoomFacts


def nowhere(room: RoomFacts) -> Portal | None:
    """Say of every room that it is no channel's."""
    del room
    return None


def unheard(portal: Portal) -> bool:
    """Say of every channel that nobody listens there."""
    del portal
    return False


@dataclass(frozen=True, kw_only=True)
class Bridged:
    """What is different where a bridge is."""

    #: The bridge's own account: what it says of a message's delivery counts.
    bot: str = ""
    #: The room, by its id or alias, where is told what Slack did not take.
    alerts: str = ""
    #: The channel whose room it is, by what the room's state says: Slack wants time between two messages.
    portal_of: Callable[[RoomFacts], Portal | None] = nowhere
    #: Whether the bot listens in a channel, though its room is not named.
    is_heard: Callable[[Portal], bool] = unheard


@dataclass(frozen=True, kw_only=True)
class MatrixSettings:
    """Which account on which homeserver, in which rooms. Times are in seconds."""

    homeserver: str
    #: Needed for a password; with a token it is compared with what the token says, if it is given.
    user_id: str = ""
    #: One of the two.
    token_file: Path | None = None
    password_file: Path | None = None
    #: Ids or aliases of the rooms where the bot listens.
    rooms: frozenset[str]
    bridged: Bridged = Bridged()
    #: The accounts whose invitations are accepted to any room.
    inviters: frozenset[str] = frozenset()
    #: How long the homeserver may hold a sync that has no news.
    poll: float = 20.0
    #: How long a request may take beyond that, for the first time; after a failure it may take longer.
    patience: float = 15.0
    #: Events of a room in one sync; what is left out is asked for afterwards.
    timeline_limit: int = 50
    #: How often the end of each room is read beside the sync.
    look_back: float = 60.0
    #: The least time between two edits of one message: Slack takes no more.
    edit_gap: float = 3.0
    #: The least time between two messages to a channel of Slack, which takes one a second.
    post_gap: float = 1.2
    #: How long the facts of a room are kept.
    facts_age: float = 60.0
    #: The time until a refused token is tried again.
    refused_wait: float = 60.0
    #: What was said in a room before the bot's first sight of it is run only if it is younger.
    fresh: timedelta = timedelta(minutes=2)
