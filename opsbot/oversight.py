"""Who listens to what happens, and what the bot's own pages show of it."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from opsbot import logs, notify
from opsbot.happened import Event
from opsbot.health import Health
from opsbot.store.ledger import Ledger
from opsbot.store.outbox import Outbox
from opsbot.web.metrics import Metrics
from opsbot.web.server import Pages

log = logging.getLogger(__name__)

#: Seconds that the database may take to answer.
_DATABASE = 5.0
#: More open jobs than there will ever be.
_ALL = 1000


class Oversight:
    """The log, the figures and the health of a bot, which operates these HOSTS; NOW is in seconds."""

    def __init__(self, hosts: Collection[str], *, now: Callable[[], float] = time.monotonic) -> None:
        self.health = Health(("sync", "bot"), now=now)
        self.metrics = Metrics(hosts)
        self._listeners = (self.health.listen, self.metrics.listen, logs.note)

    def tell(self, event: Event) -> None:
        """Pass on what happened; no deploy ends because somebody could not listen."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed", extra={"about": type(event).__name__})

    def sync_turned(self) -> None:
        """Note a turn of the sync loop, and feed systemd's watchdog."""
        self.health.turned("sync")
        notify.watchdog()

    def bot_turned(self) -> None:
        """Note a turn of the loop that takes messages out of the inbox."""
        self.health.turned("bot")

    def pages(self, ledger: Ledger, outbox: Outbox, *, shown: Callable[[str], str] = str) -> Pages:
        """Return what the bot's own server shows; its sentences are SHOWN without secrets."""

        async def stopped() -> str | None:
            return self.health.stopped()

        async def not_ready() -> str | None:
            why = await _deaf(outbox) or self.health.not_ready()
            return None if why is None else shown(why)

        async def figures() -> bytes:
            jobs = await ledger.jobs(open_only=True, limit=_ALL)
            return self.metrics.page(jobs=jobs, outbox=await outbox.depth(), sync_age=self.health.sync_age)

        return Pages(stopped=stopped, not_ready=not_ready, figures=figures)


async def _deaf(outbox: Outbox) -> str | None:
    try:
        async with asyncio.timeout(_DATABASE):
            await outbox.depth()
    except TimeoutError:
        return f"The database does not answer within {_DATABASE:g} s."
    except Exception as error:  # noqa: BLE001 - whatever it is, the page tells it
        return f"The database does not answer: {type(error).__name__}."
    return None
