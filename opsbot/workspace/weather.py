"""What may go wrong with Slack, on purpose."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from opsbot.workspace.model import RefusedError, TooFastError

#: Seconds between two looks whether somebody is gone.
_LOOK = 0.05


class Weather:
    """Slack's bad days, for the calls that write messages."""

    def __init__(self) -> None:
        self._busy_until = 0.0
        self._busy_channel = ""
        self._refusals: deque[str] = deque()
        self._words = ""
        #: Set when somebody waits for an answer that never comes, and when they are gone.
        self.held, self.gone = asyncio.Event(), asyncio.Event()

    def be_busy(self, seconds: float, *, channel: str = "") -> None:
        """Answer 429 to each message for so many seconds, or to those of one CHANNEL."""
        self._busy_until = time.monotonic() + seconds
        self._busy_channel = channel

    def refuse(self, *codes: str) -> None:
        """Refuse the next messages, each with a code."""
        self._refusals.extend(codes)

    def hold(self, words: str) -> None:
        """Neither take nor answer the next message with these WORDS, until who sent it is gone."""
        self._words = words
        self.held.clear()
        self.gone.clear()

    async def wait(self, message: str, is_gone: Callable[[], bool]) -> None:
        """Let a message wait for its answer, if that is how it is."""
        if not self._words or self._words not in message:
            return
        self._words = ""
        self.held.set()
        while not is_gone():  # noqa: ASYNC110 - a connection sets no event of ours
            await asyncio.sleep(_LOOK)
        self.gone.set()

    def check(self, channel: str) -> None:
        """Raise what a message to a channel meets now: TooFastError or RefusedError."""
        left = self._busy_until - time.monotonic()
        if left > 0 and self._busy_channel in ("", channel):
            raise TooFastError(int(left) + 1)
        if self._refusals:
            raise RefusedError(self._refusals.popleft())
