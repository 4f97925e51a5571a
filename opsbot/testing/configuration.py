"""The configuration of a bench: a small team, a host, two projects."""

from opsbot.config import Config

ROOM = "!ops:example.org"

#: A small team: each person is called as their level, with one Matrix account.
_TEAM = {
    level: {"level": level, "accounts": [f"@{level}:example.org"]}
    for level in ("admin", "deployer", "contributor", "member")
}
_PROJECTS = {name: {"host": "ops-jrz1", "services": [name]} for name in ("hello-bot", "web-shop")}
_HOST = {
    "address": "127.0.0.1",
    "key_file": "ssh-key",
    "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPvXsdr2oTkEyN5iVbHO0FZ9TLbXKm9+zQFKvJ3Q2M6e",
}
_SERVICES = {
    "homeserver": {"unit": "conduwuit.service", "http": "http://127.0.0.1:6167/"},
    "opsbot": {"unit": "opsbot.service"},
    "hello-bot": {"unit": "hello-bot.service"},
    "web-shop": {"unit": "web-shop.service"},
}


#: The clock of a bench stands still: what would be a flood is a conversation there.
_LIMITS = dict.fromkeys(("person", "room", "strangers", "queued"), 100_000)


def configuration(**more: object) -> Config:
    """Return the bench's configuration, with keys replaced."""
    usual = {
        "homeserver": {"url": "http://127.0.0.1:6167", "user": "@opsbot:example.org", "token_file": "token"},
        "rooms": [ROOM],
        "people": _TEAM,
        "hosts": {"ops-jrz1": _HOST},
        "projects": _PROJECTS,
        "services": _SERVICES,
        "limits": _LIMITS,
    }
    return Config.model_validate({**usual, **more})
