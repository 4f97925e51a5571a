"""The end of each room is read now and then, beside the sync.

A homeserver that fails to read a room leaves it out of a sync and never comes back to it (conduwuit does).
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from opsbot.errors import ChatRefusedError, ChatUnreachableError
from opsbot.letters import Mailbox
from opsbot.matrix.client import Client
from opsbot.matrix.events import TIMELINE_TYPES, listing, mapping, to_message
from opsbot.matrix.rooms import Rooms
from opsbot.matrix.settings import MatrixSettings

log = logging.getLogger(__name__)

#: Events that are read: more than people say while a command is still fresh.
PAGE = 50
_FILTER = json.dumps({"types": TIMELINE_TYPES, "lazy_load_members": True})


class Lookback:
    """Accepts what is fresh and was in no sync."""

    def __init__(
        self,
        settings: MatrixSettings,
        *,
        client: Client,
        inbox: Mailbox,
        rooms: Rooms,
        on_messages: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._client = client
        self._inbox = inbox
        self._rooms = rooms
        self._on_messages = on_messages

    async def run(self) -> None:
        """Look at each room once in the time that the settings say, one after another, until cancelled."""
        while True:
            # A room that no sync has brought yet is the sync's: what was said there before is not for the bot.
            rooms = sorted(self._rooms.listened & set(await self._inbox.seen()))
            for room_id in rooms:
                await asyncio.sleep(self._settings.look_back / len(rooms))
                with contextlib.suppress(ChatUnreachableError, ChatRefusedError):
                    await self._look(room_id)
            if not rooms:
                await asyncio.sleep(self._settings.look_back)

    async def _look(self, room_id: str) -> None:
        query: dict[str, str | int] = {"dir": "b", "limit": PAGE, "filter": _FILTER}
        page = mapping(await self._client.ask("GET", "rooms", room_id, "messages", query=query))
        read = (to_message(event, room_id=room_id, me=self._client.user_id) for event in listing(page.get("chunk")))
        oldest = datetime.now(UTC) - self._settings.fresh
        fresh = [message for message in read if message is not None and message.sent_at >= oldest][::-1]
        known = await self._inbox.knows([message.event_id for message in fresh])
        missed = [message for message in fresh if message.event_id not in known]
        if missed:
            log.info("%s: %d messages had been in no sync", room_id, len(missed))
            await self._inbox.accept(missed, position=None)
            self._on_messages()
