"""How much may be said to the bot, no I/O: so that a flood silences neither the bot nor a room."""

from dataclasses import dataclass
from typing import TypeVar

from opsbot.model import Level, Person

T = TypeVar("T")

#: What admins may say whatever the flood: it ends something.
URGENT = frozenset({"rollback", "cancel", "deny"})
#: Seconds of a rate.
_MINUTE = 60.0
#: Seconds without anything that was too much, after which it is said again.
_CALM = 60.0
#: People and rooms that are kept in mind.
_KEPT = 1000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that is taken: commands a minute, commands and jobs at a time, characters of a command."""

    person: int
    room: int
    #: Of all together whom the configuration does not name, in one room.
    strangers: int
    #: Commands of one person that are at work or wait.
    queued: int
    #: Open jobs of one person, and of everybody.
    jobs: int
    all_jobs: int
    characters: int


def is_urgent(person: Person, command: str) -> bool:
    """Tell whether a command is heard in a flood, too."""
    return person.level >= Level.ADMIN and command in URGENT


class Rate:
    """So many a MINUTE for each key, all of them at once if need be."""

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str, now: float) -> float:
        """Take one, NOW in Unix seconds; return 0, or the seconds until there is one again."""
        left, last = self._left.pop(key, (float(self.minute), now))
        left = min(left + max(now - last, 0.0) * self.minute / _MINUTE, float(self.minute))
        enough = left >= 1.0
        keep(self._left, key, (left - 1.0 if enough else left, now))
        return 0.0 if enough else (1.0 - left) * _MINUTE / self.minute


class Once:
    """Knows what was told already, as long as it goes on."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def first(self, key: str, now: float) -> bool:
        """Note that it happened, NOW in Unix seconds; tell whether it is to be said."""
        last = self._last.pop(key, None)
        keep(self._last, key, now)
        return last is None or now - last > _CALM


def keep(kept: dict[str, T], key: str, value: T) -> None:
    """Keep one more in mind, and forget the oldest for it when there are too many."""
    if len(kept) >= _KEPT:
        del kept[next(iter(kept))]
    kept[key] = value
