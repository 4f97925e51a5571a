"""A lock that somebody else has put on a project."""

from dataclasses import replace

from tests.attack.attempt import Attempt, Told
from tests.attack.kinds import chat
from tests.attack.world import World

_HELD = "`web-shop` is locked by admin"


async def _locked(world: World) -> None:
    """An admin keeps everybody else from deploying a project."""
    await world.say("admin", "!lock web-shop the shop is being counted")


def _deploys(what: str, words: str) -> Attempt:
    async def act(world: World) -> Told:
        return await world.ended("deployer", words)

    refused = (_HELD, "the shop is being counted", "Nothing was built")
    return Attempt(what=what, by="Slack member", act=act, refused=refused, audited="deployer")


ATTEMPTS = (
    replace(_deploys("a deployer deploys what is locked", "!deploy web-shop"), before=_locked),
    _deploys("the same, with a turn taken (--wait)", "!deploy web-shop --wait"),
    chat(
        "a deployer goes past it (--force)",
        "Slack member",
        "deployer",
        "!deploy web-shop --force",
        "No: --force needs the level admin",
        audited="deployer",
    ),
    chat(
        "a deployer takes it away",
        "Slack member",
        "deployer",
        "!unlock web-shop it is urgent",
        "They or an admin may take it away.",
        audited="deployer",
    ),
    chat(
        "the same, by a ghost in its portal",
        "Slack member",
        "ghost",
        "!unlock web-shop x",
        _HELD,
        room="portal",
        audited="eve",
    ),
    chat("a deployer puts their own in its place", "Slack member", "deployer", "!lock web-shop mine", _HELD),
    chat(
        "a member locks a project",
        "Slack member",
        "member",
        "!lock hello-bot mine",
        "No: this needs the level deployer",
        audited="member",
    ),
    chat(
        "a deployer of one project locks another",
        "Slack member",
        "ghost",
        "!lock hello-bot mine",
        "No: eve is deployer for web-shop",
        room="portal",
        audited="eve",
    ),
    chat(
        "a deployer of one project locks the whole host",
        "Slack member",
        "ghost",
        "!lock ops-jrz1 mine",
        "No: eve is deployer for web-shop",
        room="portal",
        audited="eve",
    ),
    chat(
        "a stranger takes it away",
        "Matrix user",
        "mallory",
        "!unlock web-shop",
        "No: this needs the level deployer",
        audited="stranger",
    ),
)
