"""The kinds of attempts, as short as they can be written in a table."""

from typing import Any

from tests.attack.attempt import Attempt, Told
from tests.attack.world import World

#: What the helper answers when it says no.
NO = '"ok":false'
#: Stands for the system that runs.
RUNNING = "RUNNING"


def chat(
    what: str, by: str, who: str, words: str, refused: str, *, room: str = "ops", audited: str | None = None
) -> Attempt:
    """Somebody says something, and the bot says no."""

    async def act(world: World) -> Told:
        return await world.say(who, words.format(pwned=world.pwned), room=room)

    return Attempt(what=what, by=by, act=act, refused=(refused,), audited=audited)


def unheard(what: str, by: str, who: str, content: Any, *, room: str = "ops", kind: str = "m.room.message") -> Attempt:
    """Somebody sends something that is not for the bot's ears."""

    async def act(world: World) -> Told:
        return await world.quiet(await world.send(who, content, room=room, kind=kind))

    return Attempt(what=what, by=by, act=act, refused=())


def forged(
    what: str,
    by: str,
    sender: str,
    words: str,
    refused: str,
    *,
    room: str = "ops",
    audited: str | None = None,
    **event: Any,
) -> Attempt:
    """A homeserver tells what no client of it has sent."""

    async def act(world: World) -> Told:
        event_id = world.forge(sender, words, room=room, **event)
        # Synapse does not know the event, so the answer is not in its thread.
        told = await world.quiet(event_id)
        return await world.answered(event_id) if refused else told

    return Attempt(what=what, by=by, act=act, refused=(refused,) if refused else (), audited=audited)


def key(
    what: str, words: tuple[str, ...], refused: str, *, said: bytes = b"", options: tuple[str, ...] = ()
) -> Attempt:
    """Whoever has stolen the bot's key does something else with it than the bot."""

    async def act(world: World) -> Told:
        filled = tuple(option.format(folder=world.folder, pwned=world.pwned) for option in options)
        return Told(words=await world.ssh(*words, said=said, options=filled))

    return Attempt(what=what, by="stolen SSH key", act=act, refused=(refused,))


def verb(what: str, name: str, code: str, *, by: str = "stolen SSH key", **arguments: Any) -> Attempt:
    """A bot that was taken over asks its host for what it must not get."""

    async def act(world: World) -> Told:
        running = str(world.machine.running())
        filled = {key: running if value == RUNNING else value for key, value in arguments.items()}
        return Told(words=await world.verb(name, **filled))

    return Attempt(what=what, by=by, act=act, refused=(NO, f'"code":"{code}"'))
