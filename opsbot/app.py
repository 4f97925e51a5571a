"""The composition: every part is made here, once, and handed to those that need it."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn, Self

from opsbot import notify
from opsbot.backups import settle_down
from opsbot.bot import Bot
from opsbot.config import Config
from opsbot.connect import chat_edge, close_hosts, database_place, forgejo, prober, ssh_host
from opsbot.credentials import Credentials, unheard
from opsbot.durable import Engine
from opsbot.errors import ConfigError, OpsbotError
from opsbot.footprint import give_back
from opsbot.guards import guards
from opsbot.hooks import Hooks
from opsbot.jobs.runner import give_up, perform
from opsbot.matrix.edge import MatrixEdge
from opsbot.model import Job
from opsbot.oversight import Oversight
from opsbot.plugins import Loaded, home, load
from opsbot.rulebook import Rulebook
from opsbot.site import Site
from opsbot.slacklink import slack_link
from opsbot.standby import Standby
from opsbot.store.audit import Audit
from opsbot.store.database import Database, Failed, first_of
from opsbot.store.deliveries import Deliveries
from opsbot.store.inbox import Inbox
from opsbot.store.lead import FileLead, SessionLead, lead_of
from opsbot.store.ledger import Ledger
from opsbot.store.outbox import Outbox
from opsbot.store.restored import restored_at
from opsbot.store.storage import PluginStorage
from opsbot.timetable import tick
from opsbot.triggers.grants import faults, granted
from opsbot.unconfirmed import Unconfirmed
from opsbot.watched import WatchedHost
from opsbot.web.hooks import routes
from opsbot.web.server import Pages, serve

log = logging.getLogger(__name__)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait for SECONDS."""
        await asyncio.sleep(seconds)


class App:
    """A bot that is put together and has not begun."""

    def __init__(
        self, site: Site, *, database: Database, bot: Bot, edge: MatrixEdge, engine: Engine, pages: Pages, hooks: Hooks
    ) -> None:
        self.site = site
        self.bot = bot
        self._database = database
        self.edge = edge
        self._engine = engine
        self._pages = pages
        self._hooks = hooks

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: Config,
        credentials: Credentials,
        *,
        lead: FileLead | SessionLead,
        make_engine: Callable[..., Engine] = Engine,
    ) -> AsyncIterator[Self]:
        """Put a bot together that has the LEAD on its database; close it and its connections afterwards.

        Raises ConfigError.
        """
        async with AsyncExitStack() as stack:
            credentials, masks = credentials.hiding(config.secrets.values())
            database = Database(database_place(config, credentials), lead=lead, masks=masks)
            stack.push_async_callback(database.close)
            await settle_down(database, config)
            engine = make_engine(config.database, pool=database.pool, on_lost=_leave)
            ledger, outbox, inbox = Ledger(database), Outbox(database), Inbox(database)
            wake, oversight = asyncio.Event(), Oversight(config.hosts)
            edge = chat_edge(config, credentials, database, wake, oversight)
            stack.push_async_callback(edge.close)
            await edge.start()
            hosts = {name: ssh_host(name, config, credentials) for name in config.hosts}
            stack.push_async_callback(close_hosts, hosts)
            loaded, problems = _loaded(config)
            site = Site(
                config=config,
                commands=loaded.commands,
                problems=(*problems, *faults(config, loaded.schedules, loaded.hooks)),
                schedules=granted(config, loaded.schedules),
                hooks=loaded.hooks,
                deliveries=Deliveries(database),
                hosts={name: WatchedHost(host, oversight.tell, shown=masks.over) for name, host in hosts.items()},
                inbox=inbox,
                ledger=ledger,
                outbox=outbox,
                audit=Audit(database),
                chat=edge,
                slack=slack_link(config, credentials, database, courier=edge, clock=SystemClock()),
                outside=await stack.enter_async_context(prober(config, shown=masks.over)),
                forge=forgejo(config, credentials),
                engine=engine,
                clock=SystemClock(),
                storage=partial(PluginStorage, database),
                tell=oversight.tell,
            )
            bot = Bot(site, wake, on_turn=oversight.bot_turned)
            pages = oversight.pages(ledger, outbox, shown=masks.over)
            hooks = Hooks(site, {name: credentials.read(one.secret_file) for name, one in config.hooks.items()})
            yield cls(site, database=database, bot=bot, edge=edge, engine=engine, pages=pages, hooks=hooks)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; open jobs go on at the next start."""
        since = await restored_at(self._database)
        self._engine.launch(partial(perform, site=self.site), partial(tick, site=self.site, since=since))
        try:
            async with self._server() as place, asyncio.TaskGroup() as tasks:
                log.info("at work", extra={"listen": place})
                watch = self._engine.watch(partial(self.site.ledger.jobs, open_only=True), self._give_up)
                guarding = guards(self.site, self._database, forget=self._engine.forget, since=since)
                unconfirmed = Unconfirmed(self.site.slack, self.edge.receipts, self.site.clock).run()
                work = (self.edge.run(), self.bot.run(), watch, self._database.keep(), unconfirmed, *guarding)
                workers = [tasks.create_task(one) for one in work]
                await self._engine.keep(self._times(), self.site.config.zone, since=since)
                notify.ready()
                give_back()
                await stop.wait()
                log.info("stopping; open jobs go on at the next start")
                # First: what is cut off must not be remembered as done.
                self._engine.close()
                for worker in workers:
                    worker.cancel()
        finally:
            notify.stopping()
            self._engine.close()

    def _times(self) -> dict[str, str]:
        return {name: one.cron for name, one in self.site.schedules.items()}

    def _server(self) -> AbstractAsyncContextManager[str | None]:
        listen = self.site.config.listen
        return serve(listen, [*self._pages.routes(), *routes(self._hooks)]) if listen else nullcontext()

    async def _give_up(self, job: Job, reason: str) -> None:
        await give_up(job, self.site, reason)


def _loaded(config: Config) -> tuple[Loaded, tuple[str, ...]]:
    """Load the plugins; return them with what is wrong. Raises ConfigError for a rule about no command."""
    loaded = load(home(), *map(Path, config.plugins))
    strays = Rulebook(config=config, commands=loaded.commands).strays
    # With a plugin missing, the command may be one of its.
    if strays and not loaded.problems:
        raise ConfigError(" ".join(strays))
    return loaded, (*loaded.problems, *strays)


async def main(
    config: Config,
    environ: Mapping[str, str],
    *,
    make_engine: Callable[..., Engine] = Engine,
    on_secret: Callable[[str], None] = unheard,
) -> int:
    """Run a bot until SIGTERM or SIGINT; return the exit status. Raises ConfigError and LockedOutError.

    ON_SECRET is told each credential that is read.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    credentials = Credentials.of(environ, config.credentials, on_secret=on_secret)
    lead = lead_of(database_place(config, credentials))
    try:
        await _work(config, credentials, lead, stop, make_engine=make_engine)
    except* (OpsbotError, Failed) as group:
        problem = first_of(group)
    else:
        return 0
    finally:
        lead.close()
    raise problem


async def _work(
    config: Config,
    credentials: Credentials,
    lead: FileLead | SessionLead,
    stop: asyncio.Event,
    *,
    make_engine: Callable[..., Engine],
) -> None:
    """Wait for the lead, then be the bot."""
    for name in config.secrets.values():
        credentials.read(name)  # what is wrong with them is not told only when somebody needs this bot
    if not await Standby(lead, listen=config.listen).wait(stop):
        return
    if isinstance(lead, SessionLead):
        lead.on_lost = _leave
    async with App.open(config, credentials, lead=lead, make_engine=make_engine) as app:
        await app.run(stop)


def _leave(why: str) -> NoReturn:
    """End the process now: another bot may be at work already, so nothing may go on here, not even in good order."""
    log.error("database lost, ending at once", extra={"why": why})
    notify.stopping()
    os._exit(os.EX_TEMPFAIL)
