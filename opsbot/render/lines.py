"""The line before a host, in words."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from opsbot.model import Job
from opsbot.render.jobs import title
from opsbot.render.times import age, clock


def place_words(first: Sequence[Job], replaces: Sequence[int]) -> str:
    """Say which place one has behind those who go FIRST, and whose place one has taken."""
    taken = f"in place of {_listed(replaces)}" if replaces else ""
    place = f"{_ordinal(len(first))} in line behind {_listed([one.number for one in first])}" if first else ""
    return ", ".join(part for part in (place, taken) if part)


def busy_words(host: str, first: Sequence[Job], *, now: datetime, zone: tzinfo) -> str:
    """Say who is at work on a host: who, what, since when, at which stage, and how many wait behind."""
    one = first[0]
    since = f"since {clock(one.created_at, zone, now)} ({age((now - one.created_at).total_seconds())})"
    behind = f", and {_listed([other.number for other in first[1:]])} before you in line" if first[1:] else ""
    return f"`{host}` is busy with {title(one)}, {since}, at the stage {one.stage}{behind}."


def _listed(numbers: Sequence[int]) -> str:
    *before, last = [f"#{number}" for number in numbers]
    return f"{', '.join(before)} and {last}" if before else last


def _ordinal(place: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th") if place % 100 not in (11, 12, 13) else "th"
    return f"{place}{ending}"
