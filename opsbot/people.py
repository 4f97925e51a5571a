"""Who is speaking: a person of the configuration, or a stranger."""

import re
from collections.abc import Iterable

from opsbot.config.schema import Bridge
from opsbot.model import STRANGER, Json, Message, Person, RoomFacts

#: Slack's own voice looks like a member's.
NOT_A_MEMBER = "uslackbot"


def identify(
    message: Message, room: RoomFacts, *, people: Iterable[Person], bridge: Bridge | None, server: str
) -> Person:
    """Return the person who said a message in a room; SERVER is the name of the bot's own homeserver."""
    if bridge and is_ghost(message.sender, server):
        member = slack_member(message.sender, bridge=bridge, server=server)
        if member is None or not is_portal(room, bridge=bridge, server=server):
            return STRANGER
        return next((person for person in people if member in person.slack), STRANGER)
    return next((person for person in people if message.sender in person.accounts), STRANGER)


def is_ghost(account: str, server: str) -> bool:
    """Tell whether a name is one of those that the bridge has for itself, whoever may use it."""
    return account.lower().startswith("@slack_") and account.endswith(f":{server}")


def slack_member(account: str, *, bridge: Bridge, server: str) -> str | None:
    """Return the Slack member id behind a ghost of our own server and team; None for webhooks and all others."""
    ghost = re.fullmatch(rf"@slack_([a-z0-9]+)-([uw][a-z0-9]+):{re.escape(server)}", account, re.ASCII)
    if ghost is None or ghost[1] != bridge.team.lower() or ghost[2] == NOT_A_MEMBER:
        return None
    return ghost[2].upper()


def is_portal(room: RoomFacts, *, bridge: Bridge, server: str) -> bool:
    """Tell whether the bridge itself made a room for a channel of our team, by the room's own state."""
    if room.creator != bridge.bot or room.is_space:
        return False
    return any(
        sender == bridge.bot and key == f"{server}/slack" and _is_channel_of(bridge.team, content)
        for sender, key, content in room.bridges
    )


def _is_channel_of(team: str, content: Json) -> bool:
    network, channel = _id(content, "network"), _id(content, "channel")
    return network == team and channel.startswith(f"{team}-") and channel != f"{team}-"


def _id(content: Json, key: str) -> str:
    part = content.get(key) if isinstance(content, dict) else None
    found = part.get("id") if isinstance(part, dict) else None
    return found if isinstance(found, str) else ""
