"""A message to a channel of Slack that proves the way there: the bridge's own word of it is waited for."""

import asyncio
from collections import deque
from collections.abc import Sequence
from uuid import uuid4

from opsbot.letters import Letter, Receipt
from opsbot.matrix.client import Client
from opsbot.matrix.content import content_of
from opsbot.matrix.events import mapping, text
from opsbot.matrix.problems import HomeserverUnwellError
from opsbot.model import Post, Text

#: Words of the bridge that are kept: they may come before the homeserver has named the event that they are about.
_KEPT = 50
#: Seconds that the homeserver may take.
_TAKEN = 10.0
_SILENT = "the bridge said nothing of it within {:.0f} s; it does with matrix.message_status_events: true"


class Delivery:
    """Sends messages of which it waits to hear what became."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._heard: deque[Receipt] = deque(maxlen=_KEPT)
        self._news = asyncio.Event()

    def hear(self, receipts: Sequence[Receipt]) -> None:
        """Take in what the bridge said."""
        self._heard.extend(receipts)
        self._news.set()
        self._news = asyncio.Event()

    async def hand_in(self, room_id: str, words: Text, *, edits: str | None) -> str:
        """Say something in a room, in place of the event EDITS; return the event that it became.

        Raises ChatUnreachableError or ChatRefusedError.
        """
        transaction = f"opsbot-{uuid4().hex}"
        post = Post(cause=transaction, room_id=room_id, text=words)
        letter = Letter(post=post, transaction=transaction, target=edits)
        path = ("rooms", room_id, "send", "m.room.message", transaction)
        taken = mapping(await self._client.ask("PUT", *path, content=content_of(letter), within=_TAKEN))
        event_id = text(taken.get("event_id"))
        if not event_id:
            raise HomeserverUnwellError("The homeserver is not well: it took a message and named no event.")
        return event_id

    async def word_of(self, event_id: str, *, within: float) -> Receipt:
        """Wait for the bridge's word of an event; WITHIN is in seconds, and silence is a problem."""
        try:
            async with asyncio.timeout(within):
                return await self._word(event_id)
        except TimeoutError:
            return Receipt(event_id=event_id, problem=_SILENT.format(within))

    async def _word(self, event_id: str) -> Receipt:
        while True:
            news = self._news
            for receipt in self._heard:
                if receipt.event_id == event_id:
                    return receipt
            await news.wait()
