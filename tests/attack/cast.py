"""Who is there: the team, those who look like it, and what the bot is told about them."""

from pathlib import Path

from opsbot.model import Json

SERVER = "test.local"
BOT = f"@opsbot:{SERVER}"
SECRET = "correct-horse-battery"
#: Accounts beside the team's, by the name that they have here.
OTHERS = {
    "second": "deployer-phone",
    "mallory": "mallory",
    "lookalike": "adm1n",
    "bridge": "slackbot",
    "ghost": "slack_t0team-u034eve",
    "guest": "slack_t0team-u0guest",
    "foreign-team": "slack_t0evil-u034eve",
    "webhook": "slack_t0team-b0hook",
    "slackbot": "slack_t0team-uslackbot",
    "leaver": "leo",
}
GUESTS = {
    "ops": ("second", "mallory", "lookalike", "ghost", "leaver"),
    "portal": ("ghost", "guest", "foreign-team", "webhook", "slackbot", "mallory", "admin"),
    "forged": ("ghost", "bridge"),
    "aside": ("deployer",),
}
#: Who reads what is said in a room.
READERS = {"ops": "admin", "portal": "bridge", "forged": "mallory", "aside": "mallory"}
#: The rooms of the bot's configuration.
HEARD = ("ops", "portal", "forged")
BRIDGED = {"bridgebot": f"@slackbot:{SERVER}", "network": {"id": "T0TEAM"}, "channel": {"id": "T0TEAM-C0OPS"}}
PLUGIN = '''"""Say that somebody rang."""
from opsbot import Delivery, hook


@hook
async def ring(ctx: Delivery) -> str:
    """Say who rang."""
    return f"{ctx.json()['who']} rang."
'''


def team() -> Json:
    """Return the people of the configuration, without those who are to leave."""
    people = {name: {"level": name, "accounts": [f"@{name}:{SERVER}"]} for name in ("admin", "contributor", "member")}
    people["deployer"] = {"level": "deployer", "accounts": [f"@deployer:{SERVER}", f"@deployer-phone:{SERVER}"]}
    return {**people, "eve": {"level": "deployer", "slack": ["U034EVE"], "projects": ["web-shop"]}}


def more(homeserver: str, listen: str, plugins: Path) -> Json:
    """Return the keys of the bot's configuration that are this world's own."""
    return {
        "homeserver": {"url": homeserver, "user": BOT, "token_file": "token"},
        "people": {**team(), "leo": {"level": "deployer", "accounts": [f"@leo:{SERVER}"]}},
        "bridge": {"bot": f"@slackbot:{SERVER}", "team": "T0TEAM"},
        "approvals": {"deploy": "deployer", "platform": "admin"},
        "listen": listen,
        "plugins": [str(plugins)],
        # Else most of it would be refused for its number alone, on a machine that is fast.
        "limits": dict.fromkeys(("person", "room", "strangers", "queued", "jobs", "all_jobs"), 10_000),
    }
