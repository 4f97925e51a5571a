"""Who is speaking: a person of the configuration, or a stranger."""

import re
from collections.abc import Iterable

from opsbot.config.neighbours import Bridge
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
    return channel_of(room, bridge=bridge, server=server) is not None


def channel_of(room: RoomFacts, *, bridge: Bridge, server: str) -> str | None:
    """Return the Slack channel that the bridge itself made a room for; None for every other room."""
    if room.creator != bridge.bot or room.is_space:
        return None
    said = (content for sender, key, content in room.bridges if sender == bridge.bot and key == f"{server}/slack")
    return next((channel for content in said if (channel := _channel_in(bridge.team, content))), None)


def is_heard(room: RoomFacts, *, bridge: Bridge, server: str) -> bool:
    """Tell whether a room is that of a Slack channel in which the configuration lets commands be given."""
    channel = channel_of(room, bridge=bridge, server=server)
    return channel is not None and ("all" in bridge.channels or channel in bridge.channels)


def _channel_in(team: str, content: Json) -> str:
    network, channel = _id(content, "network"), _id(content, "channel")
    return channel.removeprefix(f"{team}-") if network == team and channel.startswith(f"{team}-") else ""


def _id(content: Json, key: str) -> str:
    part = content.get(key) if isinstance(content, dict) else None
    found = part.get("id") if isinstance(part, dict) else None
    return found if isinstance(found, str) else ""
