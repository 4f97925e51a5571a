"""The chat edge as a whole: one account that listens in its rooms and sends what the bot has to say."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any
from uuid import uuid4

from opsbot.bridged import Portal
from opsbot.errors import ChatRefusedError, ChatUnreachableError, OpsbotError
from opsbot.happened import ChatBack, ChatLost, Event, Listener, Synced, nobody, nothing
from opsbot.letters import Letters, Mailbox, Memory, Receipt, Receipts
from opsbot.matrix.account import Account
from opsbot.matrix.client import Client, ignored
from opsbot.matrix.delivery import Delivery
from opsbot.matrix.events import mapping, text
from opsbot.matrix.lookback import Lookback
from opsbot.matrix.patience import alive, pause, rest
from opsbot.matrix.problems import HomeserverUnwellError, TokenRefusedError
from opsbot.matrix.rooms import Rooms
from opsbot.matrix.sender import Sender
from opsbot.matrix.settings import MatrixSettings
from opsbot.matrix.sync import Hooks, Sync
from opsbot.model import RoomFacts, Text

log = logging.getLogger(__name__)

#: Seconds after the first sync until the rooms are looked over.
PEACE = 1.0
#: Seconds that each half of a round trip may take.
ROUND_TRIP = 10.0
#: The type of the events that prove a room's way: neither clients nor the bridge know it, so nobody sees them.
PROOF = "opsbot.proof"


class LockedOutError(OpsbotError):
    """The homeserver does not let the bot in any more: give it a new access token, then start it again."""


async def never_busy() -> bool:
    """Say that no job is open."""
    return False


class Unminded:
    """Where there is no bridge, nobody minds what one would say."""

    async def note(self, receipts: Sequence[Receipt]) -> None:
        """Do nothing."""

    async def unconfirmed(self) -> frozenset[str]:
        """Return nothing."""
        return frozenset()


class MatrixEdge:
    """The bot's account on its homeserver; implements the port `Chat`.

    `on_messages` is called when there is something new in the inbox, `on_turn` while the sync loop lives (every 30 s at
    least), `busy` is asked whether the bot is needed even when the homeserver refuses its token, `tell` hears of each
    sync, and when the homeserver is lost and is back, `on_secret` of each access token; `receipts` minds what the
    bridge says.
    """

    def __init__(
        self,
        settings: MatrixSettings,
        *,
        inbox: Mailbox,
        outbox: Letters,
        memory: Memory,
        on_messages: Callable[[], None] = nothing,
        on_turn: Callable[[], None] = nothing,
        busy: Callable[[], Awaitable[bool]] = never_busy,
        tell: Listener = nobody,
        on_secret: Callable[[str], None] = ignored,
        receipts: Receipts | None = None,
    ) -> None:
        self._settings = settings
        self._on_turn = on_turn
        self._busy = busy
        self._tell = tell
        self._client = Client(settings.homeserver, patience=settings.patience, on_secret=on_secret)
        self._account = Account(settings, client=self._client, memory=memory)
        self.rooms = Rooms(settings, client=self._client, memory=memory, outbox=outbox)
        #: Set when the first sync was taken in.
        self.ready = asyncio.Event()
        self._sender = Sender(settings, client=self._client, letters=outbox, is_portal=self.rooms.is_portal)
        self._delivery = Delivery(self._client)
        self.receipts: Receipts = receipts or Unminded()
        hooks = Hooks(
            on_turn=on_turn,
            on_messages=on_messages,
            said=self._sender.said,
            tell=self._hear,
            receipts=self.receipts,
            on_receipts=self._delivery.hear,
            on_refused=self._until_accepted,
        )
        self._sync = Sync(settings, client=self._client, inbox=inbox, rooms=self.rooms, hooks=hooks)
        self._lookback = Lookback(settings, client=self._client, inbox=inbox, rooms=self.rooms, on_messages=on_messages)

    @property
    def user_id(self) -> str:
        """The bot's account; empty until it is logged in."""
        return self._client.user_id

    async def start(self) -> None:
        """Check that there is something to log in with; the homeserver may be away. Raises ConfigError."""
        self._account.check()

    async def enter(self) -> str:
        """Log in once and return the account's id. Raises ChatUnreachableError or ConfigError."""
        return await self._account.enter()

    async def run(self) -> None:
        """Listen and send until cancelled. Raises LockedOutError when the bot is idle and its token is refused."""
        await self._persist(self.enter)
        await self._persist(self.rooms.enter)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sync.run())
                tasks.create_task(self._lookback.run())
                tasks.create_task(self._sender.run())
                tasks.create_task(self._look_after_rooms())
        except* LockedOutError as group:
            problem = group
        else:
            return
        raise LockedOutError(str(problem.exceptions[0]))

    async def _look_after_rooms(self) -> None:
        """Look the rooms over in peace: what was asked meanwhile is answered first."""
        await self.ready.wait()
        await asyncio.sleep(PEACE)
        await self.rooms.run()

    async def _persist(self, step: Callable[[], Coroutine[Any, Any, object]]) -> None:
        failures = 0
        while True:
            try:
                await alive(step(), self._on_turn)
            except TokenRefusedError as problem:
                await self._locked_out(problem)
            except (ChatUnreachableError, ChatRefusedError) as problem:
                failures += 1
                if failures == 1:
                    self._tell(ChatLost(why=str(problem)))
                await rest(pause(failures, problem), self._on_turn)
            else:
                if failures:
                    self._tell(ChatBack(failures=failures))
                return

    def _hear(self, event: Event) -> None:
        if isinstance(event, Synced):
            self.ready.set()
        self._tell(event)

    async def _until_accepted(self) -> None:
        await self._persist(self.enter)

    async def _locked_out(self, problem: TokenRefusedError) -> None:
        if not await self._busy():
            raise LockedOutError(f"{problem} Give it a new one, then start it again.")
        log.error("%s There is an open job: trying again in %g s.", problem, self._settings.refused_wait)
        await rest(self._settings.refused_wait, self._on_turn)

    async def room(self, room_id: str) -> RoomFacts:
        """Return what the state of a room says, as of a minute ago at most. Raises ChatUnreachableError."""
        return await self.rooms.facts(room_id)

    async def room_id(self, name: str) -> str:
        """Return the id of a configured room. Raises ChatUnreachableError while nobody knows the id of its alias."""
        return await self.rooms.room_id(name)

    async def portals(self) -> list[Portal]:
        """Return the channels of Slack whose rooms the bot is in. Raises ChatUnreachableError."""
        return await self.rooms.portals()

    async def hand_in(self, room_id: str, text: Text, *, edits: str | None) -> str:
        """Say something in a channel, past the outbox, in place of the event EDITS; return the event that it became.

        Raises ChatUnreachableError or ChatRefusedError.
        """
        return await self._delivery.hand_in(room_id, text, edits=edits)

    async def word_of(self, event_id: str, *, within: float) -> Receipt:
        """Wait for the bridge's word of an event that was handed in."""
        return await self._delivery.word_of(event_id, within=within)

    async def round_trip(self, room_id: str) -> float:
        """Send an event that no client shows through a room, and read it back; return the seconds that it took.

        Raises ChatUnreachableError or ChatRefusedError.
        """
        loop, word = asyncio.get_running_loop(), uuid4().hex
        began = loop.time()
        sending = ("rooms", room_id, "send", PROOF, f"opsbot-{word}")
        sent = mapping(await self._client.ask("PUT", *sending, content={"word": word}, within=ROUND_TRIP))
        reading = ("rooms", room_id, "event", text(sent.get("event_id")))
        read = mapping(await self._client.ask("GET", *reading, within=ROUND_TRIP))
        if mapping(read.get("content")).get("word") != word:
            raise HomeserverUnwellError("The homeserver is not well: it did not give back what it had taken.")
        return loop.time() - began

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
