"""Is the bot alive, and is it of use? Answered from when its loops last turned and what was heard of the homeserver."""

import time
from collections.abc import Callable, Collection

from opsbot.happened import ChatLost, Event, Synced

#: Seconds after which a loop that has not turned counts as stopped; each turns every 30 s at least.
STOPPED = 90.0


class Health:
    """When each of the bot's LOOPS last turned, and when a sync was last taken in; NOW is in seconds."""

    def __init__(self, loops: Collection[str], *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._turned = dict.fromkeys(loops, self._began)
        self._synced: float | None = None
        self._trouble = ""

    def turned(self, loop: str) -> None:
        """Note that a loop has turned."""
        self._turned[loop] = self._now()

    def listen(self, event: Event) -> None:
        """Learn from what happened whether the homeserver can be reached."""
        match event:
            case Synced():
                self._synced = self._now()
            case ChatLost(why=why):
                self._trouble = why
            case _:
                pass

    @property
    def sync_age(self) -> float:
        """The seconds since a sync was last taken in; before the first one, since the bot began."""
        return self._now() - (self._began if self._synced is None else self._synced)

    def stopped(self) -> str | None:
        """Return the sentence about the loops that have stopped; None while all turn."""
        now = self._now()
        still = {loop: now - at for loop, at in self._turned.items() if now - at > STOPPED}
        if not still:
            return None
        return " ".join(f"The {loop} loop has not turned for {seconds:.0f} s." for loop, seconds in still.items())

    def not_ready(self) -> str | None:
        """Return why the bot can be of no use yet; None once the first sync was taken in."""
        if self._synced is not None:
            return None
        return f"The first sync was not taken in yet. {self._trouble}".rstrip()
