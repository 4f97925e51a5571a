"""Whose word it is: everybody says yes but the one who may."""

import re

from tests.attack import cast
from tests.attack.attempt import Attempt, Told
from tests.attack.kinds import chat
from tests.attack.world import World

_ASKS = "waits for somebody's word"
YES = "✅"
#: So much that it is more than what strangers may say in a minute, however slow the machine.
_FLOOD, _MANY = 40, "commands within a minute from people whom I do not know"


async def asked(world: World) -> None:
    """A deploy waits for somebody's word."""
    event = (await world.say("deployer", "!deploy hello-bot --reason because")).event or ""
    said = await world.until(event, lambda words: _ASKS in words or words.startswith("❌"))
    found = re.search(r"#(\d+) deploy", said)
    request = next(line.event_id for line in await world.lines() if line.thread == event and _ASKS in line.body)
    world.kept |= {"job": found[1] if found else "", "request": request, "command": event, "text": said}


async def _denied(world: World) -> None:
    """An admin has said no to what waits."""
    await world.say("admin", f"!deny {world.kept['job']} not today")
    await world.until(world.kept["command"], lambda words: "was not activated" in words or "not today" in words)


async def _moved(world: World) -> None:
    """While a deploy waits, a person at the host puts another system in place."""
    await asked(world)
    shop = world.machine.repositories.projects["web-shop"]
    shop.commit("Close on Sundays", {"README.md": "x\n"})
    await world.verb("prepare", job="jconsole", project="web-shop")
    built = await world.part("jconsole", "prepare", "built", "failed")
    await world.verb("activate", job="jconsole", base=built["base"])
    await world.part("jconsole", "activate", "waiting", "reverted", "refused")
    await world.verb("confirm", job="jconsole")
    await world.part("jconsole", "activate", "committed", "reverted")


def _says(
    what: str, by: str, who: str, refused: str, audited: str, *, words: str = "!approve {job}", room: str = "ops"
) -> Attempt:
    async def act(world: World) -> Told:
        return await world.say(who, words.format(**world.kept), room=room)

    return Attempt(what=what, by=by, act=act, refused=(refused,), audited=audited)


def _signs(
    what: str, by: str, who: str, on: str, refused: str, *, audited: str | None = None, sign: str = YES
) -> Attempt:
    async def act(world: World) -> Told:
        relation = {"rel_type": "m.annotation", "event_id": world.kept[on], "key": sign}
        event = await world.send(who, {"m.relates_to": relation}, kind="m.reaction")
        return await (world.answered(event) if refused else world.quiet(event))

    refusals = (refused,) if refused else ()
    return Attempt(what=what, by=by, act=act, refused=refusals, audited=audited)


async def _copied(world: World) -> Told:
    """An admin says yes to what looks like the request, but was said by somebody else."""
    copy = await world.send("mallory", {"msgtype": "m.text", "body": world.kept["text"]})
    relation = {"rel_type": "m.annotation", "event_id": copy, "key": YES}
    return await world.quiet(await world.send("admin", {"m.relates_to": relation}, kind="m.reaction"))


async def _approved_the_old(world: World) -> Told:
    """An admin agrees to the request whose base has moved: it is asked for anew."""
    event = (await world.say("admin", f"!approve {world.kept['job']}")).event

    said = await world.until(world.kept["command"], lambda words: "admin agreed" in words and _ASKS in words)
    return Told(words=said[said.index("✋") :], event=event)


def _first(attempt: Attempt) -> Attempt:
    return Attempt(**{**vars(attempt), "before": asked})


def _after_no(attempt: Attempt) -> Attempt:
    return Attempt(**{**vars(attempt), "before": _denied})


ATTEMPTS = (
    _first(_says("who asked agrees", "Slack member", "deployer", "somebody else must agree", "deployer")),
    _says(
        "who asked agrees by another account of theirs",
        "Slack member",
        "second",
        "somebody else must agree",
        "deployer",
    ),
    _says(
        "who asked agrees, with a reason",
        "Slack member",
        "deployer",
        "somebody else must agree",
        "deployer",
        words="!approve {job} urgent",
    ),
    _says("a member agrees", "Slack member", "member", "this needs the word of the level deployer", "member"),
    _says(
        "a contributor agrees",
        "Slack member",
        "contributor",
        "this needs the word of the level deployer",
        "contributor",
    ),
    _says("a stranger agrees", "Matrix user", "mallory", "No: ", "stranger"),
    _says("a deployer of another project agrees", "Slack member", "ghost", "No: ", "eve", room="portal"),
    _says("a ghost agrees outside of its portal", "Slack member", "ghost", "No: ", "stranger"),
    _says(
        "a member says no in place of the asker",
        "Slack member",
        "member",
        "this needs the word",
        "member",
        words="!deny {job}",
    ),
    _says("a member cancels it", "Slack member", "member", "No: ", "member", words="!cancel {job}"),
    _signs("✅ by who asked", "Slack member", "deployer", "request", "somebody else must agree", audited="deployer"),
    _signs(
        "✅ by the other account of who asked",
        "Slack member",
        "second",
        "request",
        "somebody else must agree",
        audited="deployer",
    ),
    _signs("✅ by a stranger", "Matrix user", "mallory", "request", "No: ", audited="stranger"),
    _signs("an admin's ✅ on the command itself", "Slack member", "admin", "command", ""),
    _signs("an admin's 👍 on the request", "Slack member", "admin", "request", "", sign="👍"),
    Attempt(what="an admin's ✅ on a copy of the request", by="Matrix user", act=_copied, refused=()),
    _signs("✅ by the bot's own account", "stolen bot token", "bot", "request", ""),
    chat("a word on a job that is none", "Slack member", "admin", "!approve 999", "There is no job"),
    _after_no(
        _says(
            "an admin agrees to what was denied", "Slack member", "admin", "does not wait for anybody's word", "admin"
        )
    ),
    _signs(
        "an admin's ✅ on a request that was denied",
        "Slack member",
        "admin",
        "request",
        "does not wait for anybody's word",
        audited="admin",
    ),
    Attempt(
        what="a word that was given for another base",
        by="Slack member",
        act=_approved_the_old,
        refused=(_ASKS,),
        before=_moved,
    ),
)


async def expiring(world: World) -> None:
    """A deploy waits for a word that must come within a minute; somebody has left; limits are the usual ones."""
    if "job" in world.kept:
        await world.say("admin", f"!deny {world.kept['job']}")
    approvals = {"deploy": "deployer", "platform": "admin", "expires": 60, "remind": 60}
    await world.configure(approvals=approvals, people=cast.team(), limits={})
    await asked(world)


async def _late(world: World) -> Told:
    await world.until(world.kept["command"], lambda words: "nobody agreed within" in words)
    return await world.say("admin", f"!approve {world.kept['job']}")


GONE = (
    _says("a person who has left agrees", "person who left", "leaver", "I do not know you yet", "stranger"),
    chat(
        "a person who has left deploys",
        "person who left",
        "leaver",
        "!deploy hello-bot",
        "Ask an admin to add you.",
        audited="stranger",
    ),
)


async def _flooded(world: World) -> Told:
    """A stranger says so much that it would fill the room, and Slack; the team is heard as before."""
    content = {"msgtype": "m.text", "body": "!deploy hello-bot"}
    events = [await world.send("mallory", content) for _ in range(_FLOOD)]
    await world.quiet("")
    answers = {event: words for event in events if (words := world.posted(event))}
    over = next((event for event, words in answers.items() if _MANY in words), None)
    if over is None or len(answers) == len(events):
        return Told(words=f"{len(answers)} answers to {len(events)} commands")
    return Told(words=answers[over], event=over)


FLOOD = Attempt(what="a stranger floods a room", by="Matrix user", act=_flooded, refused=(_MANY,), audited="stranger")
EXPIRED = Attempt(
    what="a word after the request has expired",
    by="Slack member",
    act=_late,
    refused=("does not wait for anybody's word",),
    audited="admin",
)
