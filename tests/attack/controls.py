"""That a refusal means something: what is granted is done in the same world, and what passes is seen to pass."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opsbot.triggers.signed import signature
from tests.attack import callers, consent
from tests.attack.attempt import Attempt, Told, attempted
from tests.attack.building import REBUILDING, Tree, built
from tests.attack.cast import SECRET
from tests.attack.watch import Watch
from tests.attack.world import World


@dataclass(frozen=True, kw_only=True)
class Control:
    """Something that must go well, and words that show it."""

    what: str
    act: Callable[[World, Watch], Awaitable[str]]
    shown: str

    async def fault(self, world: World, watch: Watch) -> str:
        """Do it; return what is wrong, which is nothing when it went well. Its changes of the host are its own."""
        try:
            words = await self.act(world, watch)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told
            words = f"{type(error).__name__}: {error}"
        await watch.changes()
        return "" if self.shown in words else f"{self.shown!r} is not in: {words[-2000:]}"


def _answered(what: str, who: str, words: str, shown: str, *, room: str = "ops") -> Control:
    async def act(world: World, _: Watch) -> str:
        return (await world.say(who, words, room=room)).words

    return Control(what=what, act=act, shown=shown)


def _done(what: str, who: str, words: str, shown: str, *, room: str = "ops") -> Control:
    async def act(world: World, _: Watch) -> str:
        return (await world.ended(who, words, room=room)).words

    return Control(what=what, act=act, shown=shown)


def _found(what: str, attempt: Attempt, shown: str) -> Control:
    """An attempt that gets through, or cannot be made, is told to have done so."""

    async def act(world: World, watch: Watch) -> str:
        result = await attempted(attempt, world, watch)
        return f"{result.end}: {result.why}"

    return Control(what=what, act=act, shown=shown)


def _allowed(words: str, *refused: str, audited: str | None = None) -> Attempt:
    async def act(world: World) -> Told:
        return await world.say("second", words)

    return Attempt(what=words, by="somebody", act=act, refused=refused, audited=audited)


async def _never(_: World) -> Told:
    raise TimeoutError("nobody answers")


async def _agreed(world: World, _: Watch) -> str:
    """Somebody else agrees by a sign, and what was agreed to runs."""
    await consent.asked(world)
    relation = {"rel_type": "m.annotation", "event_id": world.kept["request"], "key": consent.YES}
    await world.send("admin", {"m.relates_to": relation}, kind="m.reaction")
    return await world.until(world.kept["command"], lambda words: not words.startswith("⏳"))


async def _rung(world: World, _: Watch) -> str:
    body = json.dumps({"who": "the forge"}).encode()
    return await callers.post(world, "ring", body, {"X-Forgejo-Signature": signature(body, SECRET)})


async def _verb(world: World, _: Watch) -> str:
    return await world.verb("facts")


async def _verified(world: World, _: Watch) -> str:
    return await callers.verified(world, callers.copied(world))


async def _honest(world: World, _: Watch) -> str:
    await Tree().commit(world, "hello-bot")
    return (await built(world.nix, "hello-bot"))[1]


async def _changed_into(world: World, _: Watch) -> str:
    """Without --fast the program of the tree is run, and that is seen."""
    await REBUILDING.commit(world, "platform")
    machine, platform = world.nix_machine, world.nix_machine.repositories.platform
    flake = f"git+{platform.url}?ref=main&rev={platform.head()}#{machine.host}"
    await asyncio.to_thread(machine.run, "nixos-rebuild", "build", "--flake", flake, cwd=world.folder)
    return f"run: {world.nix_pwned.exists()}"


async def _sprung(world: World, _: Watch) -> str:
    """Once it is asked for, what was built is run: the trap is where it would be stepped on."""
    world.nix_pwned.unlink(missing_ok=True)
    job = world.kept["trapped"]
    base = str(world.nix_machine.running())
    await world.nix.ask("activate", job=job, base=base)
    end = await world.nix.until(job, "activate", "refused", "reverted", "stuck", "waiting")
    return f"{end['status']}, run: {world.nix_pwned.exists()}"


#: Before the attempts in the room.
FIRST = (
    _answered("a member asks for the status", "member", "!status", "hello-bot"),
    _answered("one who is to leave is known yet", "leaver", "!whoami", "leo"),
    _done("a deployer looks what a deploy would do", "deployer", "!deploy hello-bot --dry-run", "would go to"),
    _done(
        "a ghost in its portal does the same for its project",
        "ghost",
        "!deploy web-shop --dry-run",
        "is what runs on `ops-jrz1` already",
        room="portal",
    ),
    _answered("a deployer restarts a service from another account", "second", "!restart hello-bot", "was restarted"),
    Control(what="a caller rings with the right signature", act=_rung, shown="200"),
    Control(what="the bot's key asks a verb", act=_verb, shown='"ok":true'),
    _found(
        "what changes the host has passed",
        _allowed("!restart hello-bot", "was restarted"),
        "PASSED: the host has changed: process of hello-bot.service",
    ),
    _found("what is answered has passed", _allowed("!hello"), "PASSED: it was answered"),
    _found(
        "what is not refused with its reason has passed",
        _allowed("!deploy hello-bot --boot now", "No: "),
        "PASSED: it was not refused with 'No: '",
    ),
    _found(
        "what the audit has not denied has passed",
        _allowed("!status", "hello-bot", audited="deployer"),
        "PASSED: the audit has no line that says no to it",
    ),
    _found(
        "what cannot be tried has not been refused",
        Attempt(what="", by="somebody", act=_never, refused=()),
        "NOT MADE: TimeoutError: nobody answers",
    ),
)
#: After the locks: who made one, ends it.
UNLOCKED = (_answered("who locked a project unlocks it", "admin", "!unlock web-shop", "is free of your lock"),)
#: After all else.
LAST = (
    Control(what="somebody else agrees, and it runs", act=_agreed, shown="runs on `ops-jrz1`"),
    Control(what="a database that nobody has touched", act=_verified, shown="holds"),
)
#: On the host with the real Nix.
BY_NIX = (
    Control(what="an honest project is built", act=_honest, shown='"status": "built"'),
    Control(what="a nixos-rebuild that may change itself does so", act=_changed_into, shown="run: True"),
    Control(what="what is activated is run", act=_sprung, shown="run: True"),
)
