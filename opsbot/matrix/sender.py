"""The sender: takes letters out of the outbox and sees each into its room, exactly once."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from opsbot.errors import ChatRefusedError, ChatUnreachableError, OpsbotError
from opsbot.letters import Letter, Letters
from opsbot.matrix.client import Client
from opsbot.matrix.content import content_of
from opsbot.matrix.events import mapping, text
from opsbot.matrix.patience import pause
from opsbot.matrix.problems import AnswerError, HomeserverUnwellError
from opsbot.matrix.settings import MatrixSettings

log = logging.getLogger(__name__)

#: Seconds until the outbox is looked at without being told: somebody else may have written to it.
LOOK = 5.0
#: What will be answered again, however often it is asked.
_FINAL = frozenset({400, 403, 413})
_BAD_REQUEST = 400


class Sender:
    """Sends what waits, in order in each room; rooms do not wait for one another.

    An edit that has to wait for its time lets the messages behind it pass. In a channel of Slack there is time between
    two messages.
    """

    def __init__(
        self,
        settings: MatrixSettings,
        *,
        client: Client,
        letters: Letters,
        is_portal: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._client = client
        self._letters = letters
        self._edit_gap = settings.edit_gap
        self._post_gap = settings.post_gap
        self._is_portal = is_portal
        self._bells: dict[str, asyncio.Event] = {}
        #: Set when the homeserver has taken a message; whoever waits for it clears it.
        self.said = asyncio.Event()

    async def run(self) -> None:
        """Send for ever, until cancelled; what was under way then is sent again as the same event."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                written = self._letters.next_write()
                for room_id in await self._letters.rooms():
                    if room_id not in self._bells:
                        self._bells[room_id] = asyncio.Event()
                        tasks.create_task(self._serve(room_id, self._bells[room_id]))
                    self._bells[room_id].set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await written.wait()

    async def _serve(self, room_id: str, bell: asyncio.Event) -> None:
        """Send what waits for one room, whenever its bell rings or an edit's time has come."""
        now = asyncio.get_running_loop().time
        resting: dict[str, float] = {}
        free = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(resting.values(), default=None)):
                    await bell.wait()
            bell.clear()
            resting = {cause: until for cause, until in resting.items() if until > now()}
            while (letter := await self._letters.take(room_id, resting=resting.keys())) is not None:
                if letter.post.edits is None and free > now() and await self._is_portal(room_id):
                    await asyncio.sleep(free - now())
                await self._deliver(letter)
                if letter.post.edits is None:
                    free = now() + self._post_gap
                else:
                    resting[letter.post.edits] = now() + self._edit_gap

    async def _deliver(self, letter: Letter) -> None:
        content = content_of(letter)
        failures = 0
        while True:
            try:
                event_id = await self._put(letter, content)
            except (ChatUnreachableError, ChatRefusedError) as problem:
                if not _is_final(problem):
                    failures += 1
                    await self._wait(letter, failures, problem)
                elif _hangs_badly(letter, content, problem):
                    del content["m.relates_to"]
                else:
                    return await self._give_up(letter, problem)
            else:
                self.said.set()
                await self._take_back(letter)
                return await self._letters.mark_sent(letter.post.cause, event_id)

    async def _take_back(self, letter: Letter) -> None:
        """Take the event back that this one stands for: Slack has never seen it, and Matrix need not see both."""
        if letter.stale is not None:
            path = ("rooms", letter.post.room_id, "redact", letter.stale, f"{letter.transaction}-back")
            with contextlib.suppress(ChatUnreachableError, ChatRefusedError):
                await self._client.ask("PUT", *path, content={})

    async def _wait(self, letter: Letter, failures: int, problem: OpsbotError) -> None:
        if failures == 1:
            log.warning("message waits", extra=_fields(letter, problem))
        await asyncio.sleep(pause(failures, problem))

    async def _give_up(self, letter: Letter, problem: OpsbotError) -> None:
        log.warning("message refused", extra=_fields(letter, problem))
        await self._letters.mark_refused(letter.post.cause, str(problem))

    async def _put(self, letter: Letter, content: Any) -> str:
        path = ("rooms", letter.post.room_id, "send", "m.room.message", letter.transaction)
        event_id = text(mapping(await self._client.ask("PUT", *path, content=content)).get("event_id"))
        if not event_id:
            raise HomeserverUnwellError("The homeserver is not well: it took a message and named no event.")
        return event_id


def _fields(letter: Letter, problem: OpsbotError) -> dict[str, str]:
    return {"room": letter.post.room_id, "cause": letter.post.cause, "why": str(problem)}


def _is_final(problem: Exception) -> bool:
    return isinstance(problem, AnswerError) and problem.status in _FINAL


def _hangs_badly(letter: Letter, content: Mapping[str, Any], problem: Exception) -> bool:
    # No thread can hang on an event that is part of something else; the words matter more than their place.
    bad_request = isinstance(problem, AnswerError) and problem.status == _BAD_REQUEST
    return bad_request and letter.target is None and "m.relates_to" in content
