"""What the bridge took and was killed with: it never says a word of it, so it is sent again."""

import asyncio
import contextlib
import logging

from opsbot.errors import OpsbotError
from opsbot.letters import Receipt, Receipts
from opsbot.ports import Clock, Slack

log = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK = 15.0
#: Seconds of a bridge's silence about a message, while it is well, after which the message counts as lost.
PATIENCE = 60.0
SILENCE = "the bridge took it and said nothing more of it"


class Unconfirmed:
    """Sends again what was lost in the bridge. What it forgets at a restart, it waits for anew."""

    def __init__(self, slack: Slack | None, receipts: Receipts, clock: Clock) -> None:
        self._slack = slack
        self._receipts = receipts
        self._clock = clock
        self._since: dict[str, float] = {}

    async def run(self) -> None:
        """Look for ever, if there is a bridge that can be asked."""
        while self._slack is not None:
            with contextlib.suppress(OpsbotError):
                await self.look(self._slack)
            await asyncio.sleep(LOOK)

    async def look(self, slack: Slack) -> None:
        """Look once; time counts only while the bridge is well."""
        # First: what came before its event was known is taken in now.
        await self._receipts.note([])
        if await slack.wrong():
            self._since.clear()
            return
        now = self._clock.now().timestamp()
        self._since = {event: self._since.get(event, now) for event in await self._receipts.unconfirmed()}
        lost = [event for event, since in self._since.items() if now - since >= PATIENCE]
        for event in lost:
            log.warning("the bridge lost a message", extra={"event": event})
        await self._receipts.note([Receipt(event_id=event, problem=SILENCE) for event in lost])
