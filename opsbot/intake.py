"""The inbox is emptied: each command is seen through, those of one account in their order, and talk is put away."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable

from opsbot.errors import ChatUnreachableError
from opsbot.model import Message, Post
from opsbot.ports import MOST_OPEN, Clock, Inbox
from opsbot.render.text import words

log = logging.getLogger(__name__)

#: Seconds that a message may take from the inbox to what came of it.
LONGEST = 300.0
#: Seconds that a command has to itself before the next one of the same account begins: most take less. What takes more
#: waits for something, and holds up nobody.
ALONE = 1.0
#: Commands of one account that have so much; those behind them have less and less: a flood is soon seen through.
BREATH = 5
#: Seconds until a message is tried again that came when the homeserver had gone.
_PATIENCE = 2


class _Place:
    """How far a command is, for the one behind it."""

    def __init__(self, before: "_Place | None") -> None:
        #: Its place among what the account has said without a pause, from 1.
        self.number: int = 1 if before is None else before.number + 1
        self.begun, self.over = asyncio.Event(), asyncio.Event()

    async def left(self) -> None:
        """Wait until it is over, or has had its time."""
        await self.begun.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ALONE / max(self.number - BREATH, 1)):
                await self.over.wait()


class Intake:
    """Takes messages out of the INBOX and sees those that CALLS likes through HANDLE.

    WAKE is set when there is something new; every LOOK seconds it is looked without being told, and ON_TURN told.
    """

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        *,
        calls: Callable[[Message], bool],
        handle: Callable[[Message], Awaitable[None]],
        wake: asyncio.Event,
        on_turn: Callable[[], None],
        look: float,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._calls = calls
        self._handle = handle
        self._wake = wake
        self._on_turn = on_turn
        self._look = look
        self._running: set[str] = set()
        #: The newest command of each account that has one here.
        self._newest: dict[str, _Place] = {}
        #: Whether more messages wait than were taken out of the inbox.
        self._full = False

    async def run(self) -> None:
        """See every message of the inbox through; what is cut off is done again at the next start."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._on_turn()
                self._wake.clear()
                if await self._take(tasks):
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._look):
                        await self._wake.wait()

    async def _take(self, tasks: asyncio.TaskGroup) -> bool:
        """Begin what waits; True if there is more that can be taken at once."""
        # One that finishes while the inbox is read is in what was read, and no longer running.
        begun = frozenset(self._running)
        opened = await self._inbox.open_messages()
        self._full = len(opened) >= MOST_OPEN
        talk = []
        for message in opened:
            if message.event_id in begun:
                continue
            if self._calls(message):
                self._running.add(message.event_id)
                before = self._newest.get(message.sender)
                mine = self._newest[message.sender] = _Place(before)
                tasks.create_task(self._in_turn(message, before, mine))
            else:
                talk.append(message.event_id)
        if talk:
            # All of it at once: people talk more than they command, and no command should wait for it.
            await self._inbox.dismiss(talk)
        return self._full and bool(talk)

    async def _in_turn(self, message: Message, before: _Place | None, mine: _Place) -> None:
        """See a message through behind the one BEFORE it: who locks and unlocks finds it unlocked."""
        if before is not None:
            await before.left()
        mine.begun.set()
        try:
            await self._see_through(message)
        finally:
            mine.over.set()
            if self._newest.get(message.sender) is mine:
                del self._newest[message.sender]

    async def _see_through(self, message: Message) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                await self._handle(message)
        except ChatUnreachableError:
            # Nobody can be told who asked: the message stays in the inbox, and its turn comes again.
            await self._clock.sleep(_PATIENCE)
            self._wake.set()
        except Exception:
            # It would break the bot at each start anew, and nobody else would be answered.
            reference = secrets.token_hex(3)
            log.exception("command not brought to its end", extra={"reference": reference, "event": message.event_id})
            await self._put_away(message, reference)
        finally:
            self._running.discard(message.event_id)
            if self._full:
                self._wake.set()

    async def _put_away(self, message: Message, reference: str) -> None:
        text = words(
            f"I did not bring that to its end; an admin finds it in my log under `{reference}`. See with the command "
            "`jobs` what became of it before you send it again."
        )
        thread = message.thread or message.event_id
        post = Post(cause=f"answer:{message.event_id}", room_id=message.room_id, text=text, thread=thread)
        await self._inbox.finish(message.event_id, posts=[post])
