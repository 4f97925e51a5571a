from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opsbot.config import Bridge
from opsbot.model import STRANGER, Json, Level, Message, Person, RoomFacts
from opsbot.people import identify, names_of

SERVER = "clarun.xyz"
BOT = "@slackbot:clarun.xyz"
BRIDGE = Bridge(bot=BOT, team="T0TEAM")
EVE = Person(name="eve", level=Level.DEPLOYER, accounts=frozenset({"@eve:clarun.xyz"}), slack=frozenset({"U034CD"}))
WIM = Person(name="wim", level=Level.MEMBER, slack=frozenset({"W0WIM"}))
FAR = Person(name="far", level=Level.ADMIN, accounts=frozenset({"@far:example.org"}))
GHOST = "@slack_t0team-u034cd:clarun.xyz"


def bridged(team: str = "T0TEAM", channel: str = "T0TEAM-C0OPS") -> Json:
    """Return what the bridge says about a channel's room."""
    return {
        "bridgebot": BOT,
        "creator": BOT,
        "protocol": {"id": "slackgo", "displayname": "Slack"},
        "network": {"id": team, "displayname": "Acme"},
        "channel": {"id": channel, "displayname": "#ops"},
    }


PORTAL = RoomFacts(room_id="!ops:clarun.xyz", creator=BOT, bridges=((BOT, "clarun.xyz/slack", bridged()),))
NATIVE = RoomFacts(room_id="!own:clarun.xyz", creator="@dan:clarun.xyz")


def who(sender: str, room: RoomFacts = PORTAL, *, bridge: Bridge | None = BRIDGE) -> Person:
    """Return whom a sender in a room is taken for."""
    message = Message(event_id="$1", room_id=room.room_id, sender=sender, body="!hello", sent_at=datetime.now(UTC))
    return identify(message, room, people=(EVE, WIM, FAR), bridge=bridge, server=SERVER)


def test_a_member_of_the_team_in_a_bridged_room_is_their_person() -> None:
    """Who speaks on Slack is the person that has this Slack member id."""
    assert who(GHOST) == EVE
    assert who("@slack_t0team-w0wim:clarun.xyz") == WIM


def test_one_person_has_many_accounts() -> None:
    """An engineer is the same person on Slack, on Matrix in a bridged room, and on Matrix elsewhere."""
    assert {who(GHOST).name, who("@eve:clarun.xyz").name, who("@eve:clarun.xyz", NATIVE).name} == {"eve"}


def test_a_matrix_account_of_another_server_counts_by_its_full_id() -> None:
    """A native account is believed by its full id, whichever server it is on."""
    assert who("@far:example.org", NATIVE) == FAR
    assert who("@far:clarun.xyz", NATIVE) == STRANGER


@pytest.mark.parametrize(
    "sender",
    [
        "@slack_t0team-u034cd:evil.org",
        "@slack_t0team-u034cd:clarun.xyz.evil.org",
        "@slack_t0team-u034cd:evil.org:clarun.xyz",
        "@slack_t0team-u034cd:clarunxxyz",
        "@slack_t0team-u034cd:clarun.xyz\n",
        "@slack_t0team-b0hook:clarun.xyz",
        "@slack_t0team-uslackbot:clarun.xyz",
        "@slack_t0other-u034cd:clarun.xyz",
        "@slack_t0team-u034cde:clarun.xyz",
        "@slack_t0team-u034c:clarun.xyz",
        "@Slack_t0team-u034cd:clarun.xyz",
        "@slack_T0TEAM-U034CD:clarun.xyz",
        "@slack_t0team-t0team-u034cd:clarun.xyz",
        "@slack_t0team-\u1d1c034cd:clarun.xyz",
        "@slack_t0team-u\u0660\u066334cd:clarun.xyz",
        "@xslack_t0team-u034cd:clarun.xyz",
        "@slack_t0team_u034cd:clarun.xyz",
        "@EVE:clarun.xyz",
        "@eve:clarun.xyz.",
        "U034CD",
        "",
    ],
)
def test_a_name_that_only_looks_like_a_members_is_a_stranger(sender: str) -> None:
    """Other servers, webhooks, Slack's own voice, other teams and look-alikes are strangers."""
    assert who(sender) == STRANGER


@pytest.mark.parametrize(
    "room",
    [
        NATIVE,
        replace(PORTAL, bridges=()),
        replace(PORTAL, creator="@eve:clarun.xyz"),
        replace(PORTAL, creator=""),
        replace(PORTAL, is_space=True),
        replace(PORTAL, bridges=(("@eve:clarun.xyz", "clarun.xyz/slack", bridged()),)),
        replace(PORTAL, bridges=(("@slackbot:evil.org", "clarun.xyz/slack", bridged()),)),
        replace(PORTAL, bridges=((BOT, "evil.org/slack", bridged()),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/discord", bridged()),)),
        replace(PORTAL, bridges=((BOT, "", bridged()),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", bridged(team="T0OTHER")),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", bridged(channel="T0OTHER-C0OPS")),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", bridged(channel="T0TEAM")),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", bridged(channel="T0TEAM-")),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", {}),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", {"network": "T0TEAM", "channel": ["T0TEAM-C0OPS"]}),)),
        replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", None),)),
    ],
)
def test_a_ghost_counts_only_where_the_bridge_made_the_room(room: RoomFacts) -> None:
    """A ghost in a room that the bridge did not make for a channel of our team is a stranger."""
    assert who(GHOST, room) == STRANGER


def test_a_room_of_a_channel_has_the_channels_names() -> None:
    """What the bridge made for a channel may be called by the channel's name in Slack, its id, or the room's own id."""
    named = replace(PORTAL, names=frozenset({"#ops:clarun.xyz"}))
    assert names_of(named, bridge=BRIDGE, server=SERVER) == {"!ops:clarun.xyz", "#ops:clarun.xyz", "#ops", "C0OPS"}


@pytest.mark.parametrize("bridges", [(), (("@eve:clarun.xyz", "clarun.xyz/slack", bridged()),)])
def test_no_other_room_has_a_channels_name(bridges: tuple[tuple[str, str, Json], ...]) -> None:
    """Who writes a bridge event into a room of their own gives it no name that a rule could mean."""
    room = replace(NATIVE, bridges=bridges)
    assert names_of(room, bridge=BRIDGE, server=SERVER) == {"!own:clarun.xyz"}
    assert names_of(PORTAL, bridge=None, server=SERVER) == {"!ops:clarun.xyz"}


@pytest.mark.parametrize(("shown", "name"), [("ops", ""), (None, ""), (7, ""), ("#näher-dran", "#näher-dran")])
def test_a_channel_is_called_as_slack_does(shown: Json, name: str) -> None:
    """What is no channel's name, as of a conversation of two, is no name of the room."""
    said = bridged()
    said["channel"]["displayname"] = shown
    room = replace(PORTAL, bridges=((BOT, "clarun.xyz/slack", said),))
    assert names_of(room, bridge=BRIDGE, server=SERVER) == {"!ops:clarun.xyz", "C0OPS"} | ({name} if name else set())


def test_a_forged_bridge_event_beside_the_true_one_changes_nothing() -> None:
    """What others say about a bridged room takes nothing away from what the bridge says."""
    forged = ("@mallory:evil.org", "clarun.xyz/slack", bridged(team="T0EVIL"))
    assert who(GHOST, replace(PORTAL, bridges=(forged, *PORTAL.bridges))) == EVE


def test_without_a_bridge_no_ghost_is_anybody() -> None:
    """Where no bridge is configured, a Slack member id opens nothing."""
    assert who(GHOST, bridge=None) == STRANGER


def test_a_ghost_is_never_a_native_account() -> None:
    """A ghost's name among somebody's Matrix accounts does not spare it the look at the room."""
    sly = Person(name="sly", level=Level.ADMIN, accounts=frozenset({GHOST}))
    message = Message(event_id="$1", room_id="!own:x", sender=GHOST, body="!hello", sent_at=datetime.now(UTC))
    assert identify(message, NATIVE, people=(sly,), bridge=BRIDGE, server=SERVER) == STRANGER
