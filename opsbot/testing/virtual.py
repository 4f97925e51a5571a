"""An event loop in whose time nobody waits: when there is nothing left to do, the next timer is due at once.

Everything on it happens in one order, the same each time: what a database does in threads, it does here itself, and
takes a moment for it, so that a process can be killed between any two things that it does.
"""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

#: Seconds that a look into the database takes.
_DISK = 0.001
#: When time begins.
_BEGAN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class _Leap(selectors.SelectSelector):
    """Leaps over the time that it is told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for nobody."""
        if timeout is None:
            raise RuntimeError("Everybody waits, and nothing will ever happen.")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes as fast as what happens in it can be done."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._leap.now

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Do it here and now; whoever asked for it hears of it a moment later."""
        del executor
        future = self.create_future()
        try:
            found, deliver = function(*arguments), future.set_result
        except Exception as error:  # noqa: BLE001 - whatever it was, it is for who asked
            found, deliver = error, future.set_exception
        self.call_later(_DISK, lambda: future.done() or deliver(found))
        return future

    def shut(self) -> None:
        """End all that still runs, and close."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.run_until_complete(_ended(tasks))
        self.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


class VirtualClock:
    """The port `Clock` on a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the time that the loop has come to."""
        return _BEGAN + timedelta(seconds=self._loop.time())

    async def sleep(self, seconds: float) -> None:
        """Wait in the loop's time."""
        await asyncio.sleep(seconds)
