"""The sync loop: what people say goes into the inbox, together with the place up to which it was read.

It is ours: nio's loses events when it is stopped in the middle of a batch, and hammers a homeserver that is not well.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opsbot.errors import ChatRefusedError, ChatUnreachableError, OpsbotError
from opsbot.letters import Mailbox
from opsbot.matrix.client import Client, TokenRefusedError
from opsbot.matrix.events import TIMELINE_TYPES, Batch, Timeline, batch_of, to_message
from opsbot.matrix.gaps import Gaps
from opsbot.matrix.patience import HomeserverUnwellError, pause
from opsbot.matrix.rooms import Rooms
from opsbot.matrix.settings import MatrixSettings
from opsbot.model import Message

log = logging.getLogger(__name__)

#: Seconds that a homeserver may take beyond the time for which it may hold a sync.
GRACE = 10.0
#: Seconds between two turns when a homeserver answers at once that there is nothing new.
LEAST_TURN = 0.5
#: Clocks differ, and the bridge gives events the time that they had in Slack.
SLACK = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Whom the sync loop calls."""

    #: At each turn of the loop, and while it waits: it is alive.
    on_turn: Callable[[], None]
    #: There are new messages in the inbox.
    on_messages: Callable[[], None]
    #: A sync was taken in.
    on_synced: Callable[[], None]
    #: The token was refused; returns when the homeserver may be asked again.
    on_refused: Callable[[], Awaitable[None]]


def sync_filter(limit: int) -> str:
    """Return what to ask for: what people say in rooms, and nothing else."""
    nothing: dict[str, list[str]] = {"types": []}
    room = {
        "account_data": nothing,
        "ephemeral": nothing,
        "state": {"types": [], "lazy_load_members": True},
        "timeline": {"types": TIMELINE_TYPES, "limit": limit, "lazy_load_members": True},
    }
    return json.dumps({"presence": nothing, "account_data": nothing, "room": room})


async def rest(seconds: float, on_turn: Callable[[], None]) -> None:
    """Wait, and say all the while that this is no standstill."""
    while seconds > 0:
        on_turn()
        await asyncio.sleep(min(seconds, 5.0))
        seconds -= 5.0


class Sync:
    """Reads what is said, from where it last was, until it is cancelled."""

    def __init__(self, settings: MatrixSettings, *, client: Client, inbox: Mailbox, rooms: Rooms, hooks: Hooks) -> None:
        self._settings = settings
        self._client = client
        self._inbox = inbox
        self._rooms = rooms
        self._hooks = hooks
        self._gaps = Gaps(client=client, inbox=inbox, on_page=hooks.on_turn)
        self._filter = sync_filter(settings.timeline_limit)

    async def run(self) -> None:
        """Sync for ever; while the homeserver is away or unwell, try again with growing pauses."""
        failures = 0
        calm = False
        while True:
            self._hooks.on_turn()
            try:
                # The first answer after a silence is wanted at once, news or no news.
                await self._turn(poll=self._settings.poll if calm else 0.0)
            except TokenRefusedError:
                await self._hooks.on_refused()
                calm = False
            except (ChatUnreachableError, ChatRefusedError) as problem:
                failures += 1
                calm = False
                await self._wait(failures, problem)
            else:
                if failures:
                    log.warning("the homeserver answers again, after %d failures", failures)
                failures = 0
                calm = True

    async def _wait(self, failures: int, problem: OpsbotError) -> None:
        if failures == 1:
            log.warning("%s Trying again.", problem)
        await rest(pause(failures, problem), self._hooks.on_turn)

    async def _turn(self, *, poll: float) -> None:
        began = asyncio.get_running_loop().time()
        stored = await self._inbox.position()
        batch = await self._ask(stored[0] if stored else None, poll)
        await self._rooms.note(batch)
        messages = await self._messages(batch, stored)
        seen = self._rooms.listened & batch.timelines.keys()
        if not stored or stored[0] != batch.position or messages:
            await self._inbox.accept(messages, position=batch.position, rooms=seen)
        if messages:
            self._hooks.on_messages()
        self._hooks.on_synced()
        if poll and not batch.timelines and asyncio.get_running_loop().time() - began < LEAST_TURN:
            await asyncio.sleep(LEAST_TURN)

    async def _ask(self, since: str | None, poll: float) -> Batch:
        query: dict[str, str | int] = {"filter": self._filter, "timeout": int(poll * 1000)}
        if since is not None:
            query["since"] = since
        answer = await self._client.ask("GET", "sync", query=query, within=poll + GRACE)
        batch = batch_of(answer, me=self._client.user_id)
        if not batch.position:
            raise HomeserverUnwellError("The homeserver is not well: it answered a sync without a position.")
        return batch

    async def _messages(self, batch: Batch, stored: tuple[str, float] | None) -> list[Message]:
        known = await self._inbox.rooms()
        messages: list[Message] = []
        for room_id in self._rooms.listened & batch.timelines.keys():
            new = stored is None or room_id not in known
            messages += await self._said(room_id, batch.timelines[room_id], stored=None if new else stored)
        return sorted(messages, key=lambda message: message.sent_at)

    async def _said(self, room_id: str, timeline: Timeline, *, stored: tuple[str, float] | None) -> list[Message]:
        """Return what was said in a room; of a room never seen before, only what is fresh."""
        if stored is None:
            after, oldest = None, datetime.now(UTC) - self._settings.fresh
        else:
            after, oldest = stored[0], datetime.fromtimestamp(stored[1], UTC) - SLACK
        missed: list[object] = []
        if timeline.limited and timeline.before:
            missed = await self._gaps.fill(room_id, before=timeline.before, after=after, oldest=oldest)
        read = (to_message(event, room_id=room_id, me=self._client.user_id) for event in (*missed, *timeline.events))
        return [message for message in read if message and (stored is not None or message.sent_at >= oldest)]
