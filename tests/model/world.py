"""A small team, a host, a room and a bot that may die: everything on one loop, in whose time nobody waits."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from opsbot.plugins import Loaded, home, load
from opsbot.ports import Clock
from opsbot.store.database import Database
from opsbot.store.ledger import Ledger
from opsbot.testing import FakeOutside
from opsbot.testing.configuration import configuration
from opsbot.testing.living import LivingHost
from opsbot.testing.room import FakeRoom
from opsbot.testing.surviving import Disk
from opsbot.testing.virtual import VirtualClock, VirtualLoop
from tests.model.bot import Life

#: Web-shop's deploys want somebody else's word, and the bot has a minute to confirm them.
_PROJECTS = {
    "hello-bot": {"host": "ops-jrz1", "services": ["hello-bot"], "window": 60},
    "web-shop": {"host": "ops-jrz1", "services": ["web-shop"], "window": 60, "approval": "deployer"},
}
#: Breaths, and their seconds, until all must have come to its end: longer than a host is waited for.
_LONGEST, _BREATH = 400, 10.0
#: Looks whether something has come to pass, and the seconds between two of them.
_GLANCES, _GLANCE = 100, 0.3


@cache
def plugins() -> Loaded:
    """Return the commands, read once."""
    return load(home())


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What makes the parts of a world that there may be broken ones of."""

    ledger: Callable[[Database], Ledger] = Ledger
    host: Callable[[Clock], LivingHost] = LivingHost
    room: Callable[[Clock], FakeRoom] = FakeRoom


class World:
    """Everything, in a folder."""

    def __init__(self, folder: Path, parts: Parts) -> None:
        self.folder = folder
        self.ledger = parts.ledger
        self.config = configuration(projects=_PROJECTS, approvals={"expires": 60, "remind": 60})
        self.plugins = plugins()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.clock = VirtualClock(self.loop)
        self.host = parts.host(self.clock)
        self.room = parts.room(self.clock)
        self.outside = FakeOutside()
        self.disk = Disk()
        #: The place at which the bot dies next, like "in activate"; and for how long it stays dead.
        self.fatal = ""
        self.life: Life | None = None
        #: What people want to say as soon as they can.
        self._unsaid: list[Callable[[], object]] = []
        self._burials: set[asyncio.Task[None]] = set()
        self.start()
        self._outside = sqlite3.connect(folder / "opsbot.db")
        self._outside.row_factory = sqlite3.Row

    def start(self) -> None:
        """Start the bot, unless it lives."""
        self.do(self._start)

    def _start(self) -> None:
        if self.life is None:
            self.life = Life(self, self._at)

    def _at(self, place: str) -> None:
        if place == self.fatal:
            self.fatal = ""
            self.loop.call_soon(self.kill, 5.0)

    def kill(self, seconds: float) -> None:
        """Kill the bot, and start it again after some SECONDS; to be called on the loop."""
        if self.life is not None:
            dead, self.life = self.life, None
            self._burials.add(asyncio.ensure_future(self._bury(dead, dead.kill(), seconds)))

    async def _bury(self, dead: Life, tasks: list[asyncio.Task[None]], seconds: float) -> None:
        await dead.buried(tasks)
        await asyncio.sleep(seconds)
        self._start()

    def do(self, work: Callable[[], object]) -> None:
        """Do something on the loop."""

        async def done() -> None:
            work()

        self.loop.run_until_complete(done())

    def pass_time(self, seconds: float) -> None:
        """Let time go by, and all happen that happens meanwhile."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def at(self, stage: str) -> list[sqlite3.Row]:
        """Return the jobs that are at a stage."""
        return self.rows("SELECT * FROM jobs WHERE stage = ? ORDER BY number", stage)

    def reach(self, stage: str, *, newer_than: int = 0) -> None:
        """Let time go by until the newest job is at a stage or has ended, or for half a minute."""
        for _ in range(_GLANCES):
            self.pass_time(_GLANCE)
            newest = self.rows("SELECT number, stage FROM jobs ORDER BY number DESC LIMIT 1")
            if newest and newest[0]["number"] > newer_than and newest[0]["stage"] in (stage, "ended"):
                return

    def outage(self, seconds: float) -> None:
        """Let the homeserver be away for some SECONDS."""
        self.room.outages += 1

        def over() -> None:
            self.room.outages -= 1
            while self._unsaid and not self.room.outages:
                self._unsaid.pop(0)()

        self.loop.call_later(seconds, over)

    def say(self, sender: str, words: str, *, reacts_to: str | None = None) -> None:
        """Say something in the room; while the homeserver is away, people wait."""
        say = partial(self.room.say, sender, words, reacts_to=reacts_to)
        if self.room.outages:
            self._unsaid.append(say)
        else:
            say()

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Ask the database from outside."""
        return self._outside.execute(query, values).fetchall()

    @property
    def jobs(self) -> list[sqlite3.Row]:
        """All jobs, oldest first."""
        return self.rows("SELECT * FROM jobs ORDER BY number")

    @property
    def requests(self) -> list[str]:
        """The events by which somebody's word is asked for, oldest first."""
        causes = self.rows(
            "SELECT event_id FROM outbox WHERE cause LIKE '%:consent:%' AND edits IS NULL AND state = 'sent'"
        )
        return [row["event_id"] for row in causes]

    @property
    def restless(self) -> str:
        """What has not come to its end yet; empty when all has."""
        waits = "SELECT 1 FROM inbox WHERE done_at IS NULL UNION ALL SELECT 1 FROM outbox WHERE state = 'waiting'"
        for what, is_so in (
            ("the bot is dead", self.life is None),
            ("the homeserver is away", self.room.outages > 0),
            ("the host is cut off", self.host.cuts > 0),
            ("something is not heard yet", self.rows("SELECT count(*) FROM inbox")[0][0] < len(self.room.heard)),
            ("a job is open", any(job["ended_at"] is None for job in self.jobs)),
            ("a unit runs", bool(self.host.units)),
            ("something waits in the tables", bool(self.rows(waits))),
        ):
            if is_so:
                return what
        return ""

    def settle(self) -> None:
        """Mend everything, and let time go by until all has come to its end, or long enough for that."""
        self.fatal = ""
        self.host.faults.clear()
        self.host.publish_fails = self.host.fail_next = self.host.lose_next = self.room.lose_next = 0
        self.outside.ill.clear()
        for _ in range(_LONGEST):
            self.pass_time(_BREATH)
            if not self.restless:
                return

    def go_on(self) -> None:
        """Deploy once more, with nothing in the way."""
        self.say("admin", "!deploy hello-bot vlast --force")
        self.settle()

    def close(self) -> None:
        """End all of it."""
        if self.life is not None:
            dead, self.life = self.life, None
            self.loop.run_until_complete(dead.buried(dead.kill()))
        self._outside.close()
        self.loop.shut()
        asyncio.set_event_loop(None)
