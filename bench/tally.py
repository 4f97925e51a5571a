"""How often each command was answered."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Of so many commands, how many were answered once, more often, and never."""

    once: int = 0
    twice: int = 0
    never: int = 0

    def clean(self, asked: int) -> bool:
        """Whether as many as were to be ASKED were answered, each exactly once."""
        return (self.once, self.twice, self.never) == (asked, 0, 0)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(once=self.once + other.once, twice=self.twice + other.twice, never=self.never + other.never)

    def __str__(self) -> str:
        return f"{self.once} / {self.twice} / {self.never}"


def tally(asked: Collection[int], answered: Iterable[int]) -> Tally:
    """Count the answers to the commands that were ASKED, each known by its number; other answers do not count."""
    times = Counter(answered)
    once = sum(times[number] == 1 for number in asked)
    twice = sum(times[number] > 1 for number in asked)
    return Tally(once=once, twice=twice, never=len(asked) - once - twice)


def percentile(values: Collection[float], share: float) -> float:
    """Return the value below or at which a SHARE (0 to 1) of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
