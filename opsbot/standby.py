"""Waiting for a database: until it can be reached, and until no other bot leads on it."""

import asyncio
import contextlib
import logging
from contextlib import AbstractAsyncContextManager, nullcontext

from opsbot import notify
from opsbot.store.lead import Lead, LostError
from opsbot.web.hooks import standing_by
from opsbot.web.metrics import Metrics
from opsbot.web.server import Pages, serve

log = logging.getLogger(__name__)

#: Seconds between two tries.
LOOK = 1.0
#: Seconds until a lead that was somebody else's is used: whoever lost it has noticed by then.
GRACE = 3.0


class Standby:
    """A bot that does nothing but wait, and says so in its log and on its pages."""

    def __init__(self, lead: Lead, *, listen: str | None) -> None:
        self._lead = lead
        self._listen = listen
        self._why = ""

    async def wait(self, stop: asyncio.Event) -> bool:
        """Wait for the lead; False if it is told to stop first. Raises ConfigError where waiting is no use."""
        if not await self._in_the_way():
            return True
        async with self._server():
            notify.ready()
            while not stop.is_set():
                await self._rest(stop, LOOK)
                if not await self._in_the_way() and await self._settled(stop):
                    log.info("taking over")
                    notify.status("at work")
                    return True
        return False

    async def _in_the_way(self) -> bool:
        why = await asyncio.to_thread(self._lead.take) or ""
        if why and why != self._why:
            log.warning("standing by", extra={"why": why})
            notify.status(f"standing by: {why}")
        self._why = why or self._why
        notify.watchdog()
        return bool(why)

    async def _settled(self, stop: asyncio.Event) -> bool:
        await self._rest(stop, GRACE)
        try:
            await asyncio.to_thread(self._lead.check)
        except LostError:
            return False
        return not stop.is_set()

    async def _rest(self, stop: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()

    def _server(self) -> AbstractAsyncContextManager[str | None]:
        return serve(self._listen, [*self._pages().routes(), *standing_by()]) if self._listen else nullcontext()

    def _pages(self) -> Pages:
        metrics = Metrics(())

        async def stopped() -> str | None:
            return None

        async def not_ready() -> str | None:
            return f"This bot stands by. {self._why}"

        async def figures() -> bytes:
            return metrics.standing_by()

        return Pages(stopped=stopped, not_ready=not_ready, figures=figures)
