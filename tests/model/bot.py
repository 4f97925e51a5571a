"""One life of the bot: from its start until it is killed."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from opsbot.bot import Bot
from opsbot.config import Config
from opsbot.console import Console
from opsbot.errors import ChatUnreachableError
from opsbot.jobs import reboots
from opsbot.jobs.runner import perform
from opsbot.matrix.sender import Sender
from opsbot.matrix.settings import MatrixSettings
from opsbot.plugins import Loaded
from opsbot.ports import Run
from opsbot.site import Site
from opsbot.store.audit import Audit
from opsbot.store.database import Database
from opsbot.store.deliveries import Deliveries
from opsbot.store.inbox import Inbox
from opsbot.store.ledger import Ledger
from opsbot.store.outbox import Outbox
from opsbot.store.records import Records
from opsbot.store.storage import PluginStorage
from opsbot.testing import FakeOutside
from opsbot.testing.configuration import ROOM
from opsbot.testing.living import LivingHost
from opsbot.testing.room import FakeRoom
from opsbot.testing.surviving import Disk, SurvivingEngine
from opsbot.testing.virtual import VirtualClock

T = TypeVar("T")
#: Seconds between two syncs, and after one that failed.
_SYNC = 0.5


class MortalDatabase(Database):
    """A database that is closed to a process which was killed."""

    dead = False

    def _write(self, change: Callable[[Connection], T]) -> T:
        return super()._write(self._alive(change))

    def _read(self, query: Callable[[Connection], T]) -> T:
        return super()._read(self._alive(query))

    def _alive(self, work: Callable[[Connection], T]) -> Callable[[Connection], T]:
        if self.dead:
            raise asyncio.CancelledError
        return work


class World(Protocol):
    """What is there whether the bot lives or not."""

    folder: Path
    config: Config
    plugins: Loaded
    clock: VirtualClock
    host: LivingHost
    room: FakeRoom
    outside: FakeOutside
    disk: Disk
    #: What makes the ledger of a life; a broken one shows what the promises are worth.
    ledger: Callable[[Database], Ledger]


class Life:
    """The bot from its start until it is killed; AT is told each place that a job comes to."""

    def __init__(self, world: World, at: Callable[[str], object]) -> None:
        self._world = world
        self._database = MortalDatabase(f"sqlite:///{world.folder / 'opsbot.db'}")
        self._engine = SurvivingEngine(world.disk, at=at)
        self._inbox = Inbox(self._database)
        self._outbox = Outbox(self._database)
        self._wake = asyncio.Event()
        self.site = self._composed()
        self._engine.perform = partial(_performed, self.site)
        self._main = asyncio.get_running_loop().create_task(self._run())

    def _composed(self) -> Site:
        world, database = self._world, self._database
        return Site(
            config=world.config,
            commands=world.plugins.commands,
            hosts={world.host.name: world.host},
            inbox=self._inbox,
            ledger=world.ledger(database),
            outbox=self._outbox,
            audit=Audit(database),
            chat=world.room,
            outside=world.outside,
            forge=None,
            engine=self._engine,
            clock=world.clock,
            deliveries=Deliveries(database),
            storage=partial(PluginStorage, database),
        )

    async def _run(self) -> None:
        site = self.site
        settings = MatrixSettings(homeserver="http://nowhere.invalid", rooms=frozenset({ROOM}))
        sender = Sender(settings, client=self._world.room, letters=self._outbox, is_portal=_is_portal)
        async with asyncio.TaskGroup() as tasks:
            for work in (
                self._sync(),
                Bot(site, self._wake).run(),
                sender.run(),
                self._engine.run(partial(site.ledger.jobs, open_only=True)),
                Console(site, Records(self._database)).run(),
                reboots.watch(site),
            ):
                tasks.create_task(work)

    async def _sync(self) -> None:
        stored = await self._inbox.position()
        place = 0 if stored is None else int(stored[0])
        while True:
            with contextlib.suppress(ChatUnreachableError):
                if said := await self._world.room.since(place):
                    place += len(said)
                    await self._inbox.accept(said, position=str(place))
                    self._wake.set()
            await asyncio.sleep(_SYNC)

    @property
    def failure(self) -> BaseException | None:
        """What ended the bot by itself, if that came to pass."""
        return self._main.exception() if self._main.done() and not self._main.cancelled() else None

    def kill(self) -> list[asyncio.Task[None]]:
        """Kill it, as kill -9 does; return what must still be let go by the loop."""
        self._database.dead = True
        tasks = [self._main, *self._engine.tasks]
        for task in tasks:
            task.cancel()
        return tasks

    async def buried(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait until the loop has let go of what was killed."""
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._database.close()


async def _performed(site: Site, job_id: str, run: Run) -> None:
    await perform(job_id, run, site)


async def _is_portal(room_id: str) -> bool:
    del room_id
    return False
