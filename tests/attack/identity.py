"""Who is speaking: those who look like somebody of the team, and those of the team who have not the right."""

from typing import Any

from tests.attack import cast
from tests.attack.attempt import Attempt, Told
from tests.attack.cast import SERVER
from tests.attack.kinds import chat, forged, unheard
from tests.attack.world import World

_STRANGER = "Ask an admin to add you."
_LEVEL = "No: this needs the level deployer"
_DEPLOY = "!deploy web-shop"
_TEXT = {"msgtype": "m.text", "body": _DEPLOY}


def _strange(what: str, by: str, who: str, **more: Any) -> Attempt:
    """Somebody whom nobody lists deploys."""
    return chat(what, by, who, _DEPLOY, _STRANGER, audited="stranger", **more)


def _alike(what: str, sender: str, *, by: str = "other server", room: str = "ops") -> Attempt:
    """The homeserver tells of a sender who looks like one of the team."""
    return forged(what, by, sender, _DEPLOY, _STRANGER, room=room, audited="stranger")


def _named(name: str) -> Attempt:
    async def act(world: World) -> Told:
        voice = world.voices["mallory"]
        await voice.ask("PUT", f"profile/{voice.user_id}/displayname", {"displayname": name})
        return await world.say("mallory", _DEPLOY)

    what = f"the display name {name!r}"
    return Attempt(what=what, by="Matrix user", act=act, refused=(_STRANGER,), audited="stranger")


async def _aside(world: World) -> Told:
    return await world.quiet(await world.send("deployer", _TEXT, room="aside"))


ATTEMPTS = (
    _strange("an id that looks like an admin's (adm1n)", "Matrix user", "lookalike"),
    _named("admin"),
    _named(f"@admin:{SERVER}"),
    _alike("the admin's name on another server", "@admin:evil.example"),
    _alike("the admin's id in capitals", f"@ADMIN:{SERVER}"),
    _alike("the admin's id with a Cyrillic letter", f"@\u0430dmin:{SERVER}"),
    _alike("an id that begins with the admin's", f"@admin:{SERVER}.evil.example"),
    _alike("a ghost of another server's bridge, in the portal", "@slack_t0team-u034eve:evil.example", room="portal"),
    _alike("a ghost in capitals, in the portal", f"@SLACK_T0TEAM-U034EVE:{SERVER}", room="portal"),
    _alike("a ghost with more behind its id", f"@slack_t0team-u034eve2:{SERVER}", room="portal"),
    _alike(
        "a ghost that nobody has registered", f"@slack_t0team-u0new:{SERVER}", by="compromised bridge", room="portal"
    ),
    _strange("a true ghost in a room that is no portal", "Slack member", "ghost"),
    _strange("a true ghost in a room with forged bridge events", "Matrix user", "ghost", room="forged"),
    _strange("a guest of another workspace", "Slack guest", "foreign-team", room="portal"),
    _strange("a guest of the team whom nobody lists", "Slack guest", "guest", room="portal"),
    _strange("a webhook of Slack's, with a deployer's name", "webhook", "webhook", room="portal"),
    _strange("Slack's own voice", "webhook", "slackbot", room="portal"),
    _strange("the bridge itself, in its portal", "compromised bridge", "bridge", room="portal"),
    unheard(
        "a borrowed name (per-message profile)",
        "Slack app",
        "deployer",
        {**_TEXT, "com.beeper.per_message_profile": {"id": cast.BOT, "displayname": "admin"}},
    ),
    Attempt(what="a command in a room to which a stranger invites", by="Matrix user", act=_aside, refused=()),
    unheard("a command by the bot's own account", "stolen bot token", "bot", _TEXT),
    unheard("a command by the bot's own account, in the portal", "stolen bot token", "bot", _TEXT, room="portal"),
)

RIGHTS = (
    chat("a member deploys", "Slack member", "member", _DEPLOY, _LEVEL, audited="member"),
    chat("a contributor deploys in earnest", "Slack member", "contributor", _DEPLOY, _LEVEL, audited="contributor"),
    chat(
        "a deployer deploys the platform",
        "Slack member",
        "deployer",
        "!deploy platform",
        "No: the platform is for admins",
        audited="deployer",
    ),
    chat(
        "a deployer of another project deploys",
        "Slack member",
        "ghost",
        "!deploy hello-bot",
        "No: eve is deployer for web-shop",
        room="portal",
        audited="eve",
    ),
    chat(
        "a deployer takes the safeguard away (--force)",
        "Slack member",
        "deployer",
        "!deploy hello-bot --force",
        "No: --force needs the level admin",
        audited="deployer",
    ),
    chat(
        "a member reads the log of a service",
        "Slack member",
        "member",
        "!logs nginx.service",
        "No: this needs the level contributor",
        audited="member",
    ),
    chat(
        "a contributor restarts a service",
        "Slack member",
        "contributor",
        "!restart hello-bot",
        _LEVEL,
        audited="contributor",
    ),
    chat(
        "a member asks what another one may do",
        "Slack member",
        "member",
        "!why admin deploy platform",
        "Only admins may ask about others.",
        audited="member",
    ),
    chat(
        "the ghost of a deployer deploys the platform",
        "compromised bridge",
        "ghost",
        "!deploy platform",
        "No: the platform is for admins",
        room="portal",
        audited="eve",
    ),
    chat(
        "the ghost of a deployer takes the safeguard away",
        "compromised bridge",
        "ghost",
        f"{_DEPLOY} --force",
        "No: --force needs the level admin",
        room="portal",
        audited="eve",
    ),
)
