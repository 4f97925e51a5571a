"""What needs a bridge and a homeserver of its own: words of long ago and from other servers, and other channels."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.attack.forger import Forger
from tests.bridge.crossing import Crossing, crossing, until

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]

FORGED = "$forged:evil.example"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Crossing, Forger]]:
    """A bridge that brings old messages, a bot that listens in two channels alone, and a homeserver that lies to it."""
    async with (
        crossing(tmp_path_factory.mktemp("apart"), backfill=True) as made,
        Forger(made.homeserver.url) as forger,
    ):
        made.config["homeserver"]["url"] = forger.url
        made.config["bridge"]["channels"] = [made.ops.id, "C0LATE"]
        await made.start_bot()
        yield made, forger
        await made.stop_bot()


@pytest.fixture
def apart(both: tuple[Crossing, Forger]) -> Crossing:
    """Return all of it but the forger."""
    return both[0]


async def test_a_ghost_of_another_server_is_a_stranger(both: tuple[Crossing, Forger]) -> None:
    """A name that is a deployer's ghost but for its server is nobody, in the very room of the channel."""
    apart, forger = both
    portal = await apart.portal()
    await apart.ask(apart.dora, "!hello")
    sender = f"@slack_{apart.team.id}-{apart.dora.id}:evil.example".lower()
    content = {"msgtype": "m.text", "body": "!deploy hello-bot"}
    event = {"type": "m.room.message", "sender": sender, "event_id": FORGED, "content": content}
    forger.forge(portal, event | {"origin_server_ts": int(time.time() * 1000)})
    await apart.ask(apart.dora, "!hello")

    async def told() -> bool:
        # The homeserver does not know the event, so nothing hangs on it.
        return any("I do not know you yet" in line.body for line in await apart.opsbot.lines(portal))

    await until(told, lambda: apart.log.read_text()[-3000:])


async def test_a_channel_that_is_not_allowed_is_not_listened_to(apart: Crossing) -> None:
    """The app may be invited anywhere: commands are taken in the channels of the configuration alone."""
    other = apart.team.add_channel("random", apart.dora, app=False)
    apart.team.invite_app(other)
    apart.team.say(apart.dora, other, "!hello")
    await apart.portal(other)
    apart.team.say(apart.dora, other, "!hello again")
    assert "not in `bridge.channels`: `#bridge-test`, `#random`" in (await apart.ask(apart.dora, "!bridge")).text
    assert [one.who for one in apart.team.see(other)] == ["Dora", "Dora"]


async def test_old_messages_that_a_bridge_brings_later_are_not_run(apart: Crossing) -> None:
    """What was said while the bridge was away, and comes with its old time, is answered as too old, not run."""
    apart.team.behind = 600.0
    # Time goes on from here, ten minutes ago: nothing newer was said.
    new = apart.team.add_channel("late", apart.alice, apart.dora)
    apart.team.say(apart.alice, new, "Good morning")
    portal = await apart.portal(new)

    async def carried() -> bool:
        return any(line.body == "Good morning" for line in await apart.opsbot.lines(portal))

    await until(carried, apart.bridge_words)
    # Answered, so the bot has seen the new room, too: of a room that it never saw it would take nothing old at all.
    await apart.ask(apart.dora, "!hello")
    await apart.bridge.stop()
    late = apart.team.say(apart.alice, new, "!hello late")
    apart.team.behind = 0.0
    assert await apart.bridge.start() is None
    await apart.until_connected()

    def told() -> list[str]:
        return [one.text for one in apart.team.see(new) if one.thread == late]

    async def answered() -> bool:
        return bool(told())

    await until(answered, lambda: f"{apart.team.see(new)}{apart.log.read_text()[-3000:]}{apart.bridge_words()}")
    await asyncio.sleep(1)
    assert told() == ["Not run: too old. You sent it 10 minutes ago; send it again if you still want it."]
