"""What may go wrong with Slack, on purpose."""

import time
from collections import deque

from opsbot.workspace.model import RefusedError, TooFastError


class Weather:
    """Slack's bad days, for the calls that write messages."""

    def __init__(self) -> None:
        self._busy_until = 0.0
        self._refusals: deque[str] = deque()

    def be_busy(self, seconds: float) -> None:
        """Answer 429 to each message for so many seconds."""
        self._busy_until = time.monotonic() + seconds

    def refuse(self, *codes: str) -> None:
        """Refuse the next messages, each with a code."""
        self._refusals.extend(codes)

    def check(self) -> None:
        """Raise what a message meets now: TooFastError or RefusedError."""
        left = self._busy_until - time.monotonic()
        if left > 0:
            raise TooFastError(int(left) + 1)
        if self._refusals:
            raise RefusedError(self._refusals.popleft())
