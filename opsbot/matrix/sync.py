"""The sync loop: what people say goes into the inbox, together with the place up to which it was read.

It is ours: nio's loses events when it is stopped in the middle of a batch, and hammers a homeserver that is not well.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from opsbot.errors import ChatRefusedError, ChatUnreachableError, OpsbotError
from opsbot.happened import ChatBack, ChatLost, Listener, Synced
from opsbot.letters import Mailbox, Receipt, Receipts
from opsbot.matrix.client import Client
from opsbot.matrix.events import TIMELINE_TYPES, Batch, Timeline, batch_of, mapping, text, to_message
from opsbot.matrix.gaps import Gaps, Reader, all_before
from opsbot.matrix.patience import alive, pause, rest
from opsbot.matrix.problems import AnswerError, HomeserverUnwellError, TokenRefusedError
from opsbot.matrix.receipts import receipts_in
from opsbot.matrix.rooms import Rooms
from opsbot.matrix.settings import MatrixSettings
from opsbot.model import Message

log = logging.getLogger(__name__)

#: Seconds that a sync may take in the end: that of a large account is slow, and a dead link should be seen soon.
LONGEST = 120.0
#: Seconds between two turns when a homeserver answers at once that there is nothing new.
LEAST_TURN = 0.5
#: Seconds that the next sync waits at most for an answer to this one to go first: a homeserver does one thing after the
#: other. Not every message has an answer.
HEAD_START = 0.06
#: Events of a room in the very first sync: they only tell whether there is something fresh to ask for.
FIRST = 5
_BAD_REQUEST = 400
#: Clocks differ, and the bridge gives events the time that they had in Slack.
SLACK = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Whom the sync loop calls."""

    #: At each turn of the loop, and while it waits: it is alive.
    on_turn: Callable[[], None]
    #: There are new messages in the inbox.
    on_messages: Callable[[], None]
    #: Set when a message of ours was taken by the homeserver.
    said: asyncio.Event
    #: A sync was taken in, or the homeserver is lost, or back.
    tell: Listener
    #: Takes in what the bridge says of messages.
    receipts: Receipts
    #: The same, for whoever waits for one of them.
    on_receipts: Callable[[Sequence[Receipt]], None]
    #: The token was refused; returns when the homeserver may be asked again.
    on_refused: Callable[[], Awaitable[None]]


def sync_filter(limit: int, me: str) -> str:
    """Return what to ask for: what people other than ME say in rooms, and nothing else."""
    nothing: dict[str, list[str]] = {"types": []}
    room = {
        "account_data": nothing,
        "ephemeral": nothing,
        "state": {"types": [], "lazy_load_members": True},
        "timeline": {"types": TIMELINE_TYPES, "not_senders": [me], "limit": limit, "lazy_load_members": True},
    }
    return json.dumps({"presence": nothing, "account_data": nothing, "room": room})


class Sync:
    """Reads what is said, from where it last was, until it is cancelled."""

    def __init__(self, settings: MatrixSettings, *, client: Client, inbox: Mailbox, rooms: Rooms, hooks: Hooks) -> None:
        self._settings = settings
        self._client = client
        self._inbox = inbox
        self._rooms = rooms
        self._hooks = hooks
        self._gaps = Gaps(client=client, inbox=inbox, on_page=hooks.on_turn)
        self._calm = False
        #: Whether the place was given up in the last turn: what is not better then will not be better again at once.
        self._renewed = False

    async def run(self) -> None:
        """Sync for ever; while the homeserver is away or unwell, try again with growing pauses."""
        failures = 0
        while True:
            self._hooks.on_turn()
            try:
                await self._turn(failures)
            except TokenRefusedError:
                await self._hooks.on_refused()
            except (ChatUnreachableError, ChatRefusedError) as problem:
                failures += 1
                await self._wait(failures, problem)
            else:
                if failures:
                    self._hooks.tell(ChatBack(failures=failures))
                failures = 0

    async def _wait(self, failures: int, problem: OpsbotError) -> None:
        if failures == 1:
            self._hooks.tell(ChatLost(why=str(problem)))
        self._calm = False
        await rest(pause(failures, problem), self._hooks.on_turn)

    async def _turn(self, failures: int) -> None:
        began = asyncio.get_running_loop().time()
        # After a silence an answer is wanted at once, news or no news.
        poll = self._settings.poll if self._calm else 0.0
        # Before the question, not between a command and its answer: nobody else writes these.
        stored, seen = await self._inbox.position(), await self._inbox.seen()
        within = poll + min(self._settings.patience * (failures + 1), LONGEST)
        batch = await self._from(stored, poll, within)
        self._renewed = batch is None
        if batch is None and stored is not None:
            log.warning("the homeserver does not know the place where the bot was: it looks at every room anew")
            stored = ("", stored[1])
            batch = await self._ask(None, 0.0, within)
        assert batch is not None  # noqa: S101 - without a place there is none that could be unknown
        await self._take_in(batch, stored, seen)
        self._hooks.tell(Synced())
        still = not batch.timelines or (stored is not None and stored[0] == batch.position)
        if self._calm and still and asyncio.get_running_loop().time() - began < LEAST_TURN:
            await asyncio.sleep(LEAST_TURN)
        self._calm = True

    async def _from(self, stored: tuple[str, float] | None, poll: float, within: float) -> Batch | None:
        """Ask for what is new; None when the homeserver cannot know where that begins.

        It was restored from a copy, or it is another one than before.
        """
        try:
            batch = await self._ask(stored, poll, within)
        except AnswerError as problem:
            if stored is None or self._renewed or problem.status != _BAD_REQUEST:
                raise
            return None
        lost = stored is not None and not self._renewed and _went_back(stored[0], batch.position)
        return None if lost else batch

    async def _ask(self, stored: tuple[str, float] | None, poll: float, within: float) -> Batch:
        limit = self._settings.timeline_limit if stored else min(FIRST, self._settings.timeline_limit)
        query: dict[str, str | int] = {"filter": sync_filter(limit, self._client.user_id), "timeout": int(poll * 1000)}
        if stored is not None:
            query["since"] = stored[0]
        asking = self._client.ask("GET", "sync", query=query, within=within)
        batch = batch_of(await alive(asking, self._hooks.on_turn), me=self._client.user_id)
        if not batch.position:
            raise HomeserverUnwellError("The homeserver is not well: it answered a sync without a position.")
        return batch

    async def _take_in(self, batch: Batch, stored: tuple[str, float] | None, seen: Mapping[str, str]) -> None:
        await self._rooms.note(batch)
        heard = {room: line for room, line in batch.timelines.items() if room in self._rooms.listened}
        messages: list[Message] = []
        told: list[Receipt] = []
        for room_id in batch.timelines.keys() - heard.keys():
            # A channel may be kept for messages alone.
            told += receipts_in(batch.timelines[room_id].events, bridge=self._settings.bridged.bot)
        for room_id, timeline in heard.items():
            read = partial(self._read, room_id=room_id, told=told)
            messages += await self._said(room_id, timeline, stored=stored, seen=seen.get(room_id), read=read)
        if told:
            # Before the position: a receipt that is seen twice changes nothing the second time.
            await self._hooks.receipts.note(told)
            self._hooks.on_receipts(told)
        if heard or stored is None or stored[0] != batch.position:
            last = {room: _last(line) or seen.get(room, "") for room, line in heard.items()}
            await self._inbox.accept(messages, position=batch.position, seen=last)
        if messages:
            self._hooks.said.clear()
            self._hooks.on_messages()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEAD_START):
                    await self._hooks.said.wait()

    def _read(self, event: object, *, room_id: str, told: list[Receipt]) -> Message | None:
        """Read an event as a message; what the bridge TOLD in it is put aside."""
        told += receipts_in([event], bridge=self._settings.bridged.bot)
        return to_message(event, room_id=room_id, me=self._client.user_id)

    async def _said(
        self, room_id: str, timeline: Timeline, *, stored: tuple[str, float] | None, seen: str | None, read: Reader
    ) -> list[Message]:
        """Return what was said in a room; of a room never seen before, only what is fresh."""
        new = stored is None or seen is None
        if stored is None or seen is None:
            after, oldest = None, datetime.now(UTC) - self._settings.fresh
        else:
            after, oldest = stored[0], datetime.fromtimestamp(stored[1], UTC) - SLACK
        missed: list[Message] = []
        if timeline.limited and timeline.before and not (new and all_before(oldest, timeline.events)):
            missed = await self._gaps.fill(
                room_id, before=timeline.before, after=after, seen=seen or "", oldest=oldest, read=read
            )
        said = (*missed, *map(read, timeline.events))
        return [message for message in said if message and (not new or message.sent_at >= oldest)]


def _went_back(before: str, now: str) -> bool:
    """Tell whether a position that is a plain number has become smaller."""
    return before.isdecimal() and now.isdecimal() and int(now) < int(before)


def _last(timeline: Timeline) -> str:
    """Return the last event that /messages would bring too."""
    wanted = (event for event in map(mapping, reversed(timeline.events)) if event.get("type") in TIMELINE_TYPES)
    return text(next(wanted, {}).get("event_id"))
