"""What a sync left out: homeservers send the last few events of a room and say that there were more."""

import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from opsbot.errors import ChatRefusedError
from opsbot.letters import Mailbox
from opsbot.matrix.client import Client
from opsbot.matrix.events import TIMELINE_TYPES, listing, mapping, sent_at, text
from opsbot.model import Message

log = logging.getLogger(__name__)

PAGE = 100
#: No gap is filled further back than this many pages.
MOST_PAGES = 100
_FILTER = json.dumps({"types": TIMELINE_TYPES, "lazy_load_members": True})


#: Reads an event as a message; None when it is none.
Reader = Callable[[Any], Message | None]


class Gaps:
    """Asks for the events between the last batch and a limited timeline."""

    def __init__(self, *, client: Client, inbox: Mailbox, on_page: Callable[[], None]) -> None:
        self._client = client
        self._inbox = inbox
        self._on_page = on_page

    async def fill(
        self, room_id: str, *, before: str, after: str | None, seen: str, oldest: datetime, read: Reader
    ) -> list[Message]:
        """Return what was said in a room BEFORE one position and AFTER another, oldest first, as READ reads it.

        Not every homeserver minds AFTER: the search ends as well at the event that was last SEEN, at any that was
        accepted, and with a page of which all is older than OLDEST.
        """
        found: list[Message] = []
        for _ in range(MOST_PAGES):
            self._on_page()
            events, before = await self._page(room_id, before, after)
            new = await self._until_known(events, seen)
            # Read at once: of ten thousand events only the words are kept.
            found += [message for event in new if (message := read(event)) is not None]
            if not before or len(new) < len(events) or all_before(oldest, events):
                return found[::-1]
        log.warning("%s: more than %d events were missed, the older ones are left out", room_id, MOST_PAGES * PAGE)
        return found[::-1]

    async def _page(self, room_id: str, before: str, after: str | None) -> tuple[list[Any], str]:
        query: dict[str, str | int] = {"dir": "b", "from": before, "limit": PAGE, "filter": _FILTER}
        if after:
            query["to"] = after
        try:
            page = mapping(await self._client.ask("GET", "rooms", room_id, "messages", query=query))
        except ChatRefusedError as problem:
            # Whoever was just put out of a room cannot read it any more; the other rooms must go on.
            log.warning("%s: what was missed cannot be read: %s", room_id, problem)
            return [], ""
        end = text(page.get("end"))
        return listing(page.get("chunk")), "" if end == before else end

    async def _until_known(self, events: list[Any], seen: str) -> list[Any]:
        ids = [text(mapping(event).get("event_id")) for event in events]
        known = await self._inbox.knows(ids) | {seen}
        first = next((place for place, event_id in enumerate(ids) if event_id in known), len(ids))
        return events[:first]


def all_before(oldest: datetime, events: Sequence[Any]) -> bool:
    """Tell whether all events that say when they were sent are older; False when none does."""
    moments = [moment for event in events if (moment := sent_at(event)) is not None]
    return bool(moments) and max(moments) < oldest
