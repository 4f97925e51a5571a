"""Who is speaking: a person of the configuration, or a stranger."""

import re
from collections.abc import Iterable

from opsbot.bridged import Portal
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
        if member is None or portal_of(room, bridge=bridge, server=server) is None:
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


def portal_of(room: RoomFacts, *, bridge: Bridge, server: str) -> Portal | None:
    """Return the channel of our team that the bridge itself made a room for, by the room's own state; else None."""
    if room.creator != bridge.bot or room.is_space:
        return None
    said = (content for sender, key, content in room.bridges if sender == bridge.bot and key == f"{server}/slack")
    channels = ((channel, content) for content in said if (channel := _channel_in(bridge.team, content)))
    found = next(channels, None)
    if found is None:
        return None
    name = _text(found[1].get("channel"), "displayname")
    return Portal(room_id=room.room_id, channel=found[0], name=name if name.startswith("#") else "")


def is_heard(portal: Portal, bridge: Bridge) -> bool:
    """Tell whether a room is that of a Slack channel in which the configuration lets commands be given."""
    return bridge.hears(portal.channel)


def names_of(room: RoomFacts, *, bridge: Bridge | None, server: str) -> frozenset[str]:
    """Return all that the configuration may call a room: its id, its aliases, a channel's id and its name in Slack."""
    portal = None if bridge is None else portal_of(room, bridge=bridge, server=server)
    channel = set() if portal is None else {portal.channel, portal.name} - {""}
    return room.names | {room.room_id} | channel


def _channel_in(team: str, content: Json) -> str:
    if not isinstance(content, dict):
        return ""
    network, channel = _text(content.get("network"), "id"), _text(content.get("channel"), "id")
    return channel.removeprefix(f"{team}-") if network == team and channel.startswith(f"{team}-") else ""


def _text(part: Json, key: str) -> str:
    found = part.get(key) if isinstance(part, dict) else None
    return found if isinstance(found, str) else ""
