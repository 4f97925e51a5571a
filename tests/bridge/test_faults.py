import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio

from opsbot.workspace.model import Post
from opsbot.workspace.richtext import typed
from tests.bridge.crossing import Crossing, until
from tests.bridge.tally import Tally, rows

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]

KILLED = "killed in mid-deploy, and started again when the deploy was over"
KILLED_WITH = "killed with the closing message in its hands"
BUSY = "Slack answers 429 for 60 s"
DROPPED = "its socket is dropped three times in a deploy"
TWICE = "Slack tells it every message twice"
BACKFILL = "stopped, and started with backfill of what was said meanwhile"
RESTORED = "killed, and started from an old copy of its database, with backfill"
FAULTS = (KILLED, KILLED_WITH, BUSY, DROPPED, TWICE, BACKFILL, RESTORED)


async def start(whole: Crossing) -> None:
    """Start the bridge, and wait until it hears Slack."""
    code = await whole.bridge.start()
    assert code is None, whole.bridge_words()
    await whole.until_connected()


# First, and looked at last: the bot waits a minute before it takes the bridge's silence for a loss.
@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def killed_with(whole: Crossing) -> Tally:
    """Kill the bridge while Slack has not yet answered it about a closing message."""
    weather, tally = whole.workspace.api.weather, Tally(whole)
    weather.hold("(#")
    tally.deploy()

    async with asyncio.timeout(90):
        await weather.held.wait()
        await whole.bridge.kill()
        await weather.gone.wait()
    await start(whole)
    return tally


@pytest_asyncio.fixture(loop_scope="session")
async def backfill(whole: Crossing) -> AsyncIterator[None]:
    """Let the bridge bring old messages whenever it is started; afterwards not any more."""
    whole.setup.write_config(whole.setup.configuration(whole.homeserver.url, backfill=True))
    await whole.bridge.stop()
    await start(whole)
    yield
    whole.setup.write_config(whole.setup.configuration(whole.homeserver.url))
    await whole.bridge.stop()
    await start(whole)


@pytest.mark.usefixtures("killed_with")
async def test_killed_in_mid_deploy(whole: Crossing) -> None:
    """A deploy goes on without the bridge; when it is back, report and closing message are there, each once."""
    tally = Tally(whole)
    await tally.at_work(tally.deploy())
    await whole.bridge.kill()
    await tally.done_on_matrix()
    await start(whole)
    tally.ask("!hello back")
    await tally.over()
    await tally.holds(KILLED)


# The minute passes while sockets are dropped, in another channel.
@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def busy(whole: Crossing) -> Tally:
    """Let Slack have no time for one channel."""
    channel = whole.team.add_channel("busy", whole.alice, whole.dora)
    tally = Tally(whole, channel)
    whole.workspace.api.weather.be_busy(60, channel=channel.id)
    tally.deploy()
    await tally.done_on_matrix()
    tally.ask("!hello busy")
    return tally


@pytest.mark.usefixtures("busy")
async def test_a_dropped_socket(whole: Crossing) -> None:
    """A socket that is dropped is opened anew, and nothing that was heard before is done again."""
    tally, sockets = Tally(whole), whole.workspace.sockets
    await tally.at_work(tally.deploy())

    async def open_again() -> bool:
        return sockets.opened > before

    for number in range(3):
        before = sockets.opened
        await sockets.drop()
        await until(open_again, whole.bridge_words)
        await whole.answer(tally.ask(f"!hello {number}"))
    await tally.over()
    await tally.holds(DROPPED)


@pytest.mark.usefixtures("busy")
async def test_what_slack_tells_twice(whole: Crossing) -> None:
    """A message that Slack tells twice is one message."""
    tally, sockets = Tally(whole), whole.workspace.sockets
    tally.deploy()
    sockets.tell_again()
    tally.ask("!hello twice")
    sockets.tell_again()
    await tally.over()
    await tally.holds(TWICE)


async def test_429_for_a_minute(whole: Crossing, busy: Tally) -> None:
    """What Slack has no time for within a whole minute is sent when it has, each message once."""
    assert ("chat.postMessage", "ratelimited") in whole.workspace.calls
    await busy.over()
    await busy.holds(BUSY)


@pytest.mark.usefixtures("backfill")
async def test_backfill(whole: Crossing) -> None:
    """Of what a bridge brings later, the new is done once, and the old is answered as too old."""
    tally, late = Tally(whole), whole.team.add_channel("late", whole.alice)
    now = time.time()
    whole.team.publish(late, old_post(whole, now - 1200, "Good morning"))
    portal = await whole.portal(late)
    await whole.opsbot.wait_for(portal, lambda lines: any("Good morning" in line.body for line in lines))
    await whole.answer(tally.ask("!hello before"))
    await whole.bridge.stop()
    old = old_post(whole, now - 600, "!hello late")
    late.posts.append(old)
    tally.deploy()
    tally.ask("!hello meanwhile")
    await start(whole)
    await tally.over()

    async def refused() -> bool:
        answers = [seen.text for seen in whole.team.see(late) if seen.thread == old.ts]
        return len(answers) == 1 and answers[0].startswith("Not run: too old.")

    await until(refused, lambda: f"{whole.team.see(late)}\n{whole.log.read_text()[-3000:]}")
    await tally.holds(BACKFILL)


def old_post(whole: Crossing, ts: float, words: str) -> Post:
    """Return what Alice said some time ago."""
    text, blocks = typed(words)
    return Post(ts=f"{ts:.6f}", user=whole.alice.id, text=text, blocks=blocks)


@pytest.mark.usefixtures("backfill")
async def test_an_old_copy_of_the_database(whole: Crossing) -> None:
    """A bridge that has forgotten what it brought brings it again; nothing is done again."""
    tally, base, copy = Tally(whole), whole.setup.folder / "bridge.db", whole.setup.folder / "copy.db"
    with closing(sqlite3.connect(base)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    tally.ask("!hello again")
    tally.deploy()
    await tally.over()
    before = len(await whole.opsbot.lines(await whole.portal()))
    await whole.bridge.kill()
    for file in whole.setup.folder.glob("bridge.db*"):
        file.unlink()
    copy.rename(base)
    await start(whole)

    async def brought() -> bool:
        lines = (await whole.opsbot.lines(await whole.portal()))[before:]
        return any("!deploy hello-bot" in line.body for line in lines)

    await until(brought, whole.bridge_words)
    await tally.holds(RESTORED)


async def test_killed_with_a_message_in_its_hands(killed_with: Tally) -> None:
    """A closing message that the bridge took and never delivered is sent again."""
    await killed_with.over()
    await killed_with.holds(KILLED_WITH)


async def test_the_page_has_a_row_for_each() -> None:
    """The table in docs/reliability.md is about these faults and no others."""
    assert list(rows()) == list(FAULTS)
