"""Hours of the week, as people write them: `mon-fri 08:00-18:00, sat 10:00-12:30`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Self

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? +(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
#: The last moment of a day, for spans that end at 24:00.
_MIDNIGHT = time(23, 59, 59, 999999)


@dataclass(frozen=True)
class Span:
    """A time of the day, on some days of the week (0 is Monday)."""

    days: frozenset[int]
    begin: time
    end: time


@dataclass(frozen=True)
class Hours:
    """Some hours of each week."""

    text: str
    spans: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read hours. Raises ValueError with the sentence for who wrote them."""
        return cls(text=text.strip(), spans=tuple(_span(part.strip()) for part in text.split(",")))

    def __str__(self) -> str:
        return self.text

    def hold_at(self, moment: datetime, zone: tzinfo) -> bool:
        """Tell whether a moment is within them, on the clocks of a zone."""
        there = moment.astimezone(zone)
        clock = there.time()
        return any(there.weekday() in span.days and span.begin <= clock < span.end for span in self.spans)

    def until(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """Return when it next is the other way than at a moment; None when it never is."""
        now = self.hold_at(moment, zone)
        later = (edge for edge in self._edges(moment, zone) if edge > moment)
        return next((edge for edge in later if self.hold_at(edge, zone) != now), None)

    def since(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """Return since when it is as at a moment; None when it always was."""
        now, begun = self.hold_at(moment, zone), None
        for edge in sorted((edge for edge in self._edges(moment, zone) if edge <= moment), reverse=True):
            if self.hold_at(edge, zone) != now:
                return begun
            begun = edge
        return None

    def _edges(self, moment: datetime, zone: tzinfo) -> list[datetime]:
        """Return the times around a moment at which something may begin or end, a week and more to each side."""
        today = moment.astimezone(zone).date()
        clocks = {time.min} | {clock for span in self.spans for clock in (span.begin, span.end) if clock != _MIDNIGHT}
        days = [today + timedelta(days=step) for step in range(-8, 9)]
        return sorted(datetime.combine(day, clock, zone).astimezone(UTC) for day in days for clock in clocks)


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError("must be days and times, like `mon-fri 08:00-18:00, sat 10:00-12:00`.")
    first, last = _day(found["first"]), _day(found["last"] or found["first"])
    days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    begin, end = _time(found["begin"]), _time(found["end"])
    if begin >= end:
        raise ValueError("must end later than it begins; past midnight begins another span.")
    return Span(days=days, begin=begin, end=end)


def _day(word: str) -> int:
    if word.lower() not in DAYS:
        raise ValueError(f"must name days as {', '.join(DAYS)}.")
    return DAYS.index(word.lower())


def _time(word: str) -> time:
    if word == "24:00":
        return _MIDNIGHT
    try:
        return time.fromisoformat(word)
    except ValueError:
        raise ValueError("must have times from 00:00 to 24:00.") from None
