"""What a campaign found, as a table. Pure."""

from collections.abc import Iterable, Sequence

from tests.faults.plan import SHARES, Kind, Where
from tests.faults.story import Outcome

#: One in so many faults may come too late for what it was to hit.
_MISSES = 10
_HEAD = ("what goes wrong", "where", "faults", "put in place", "taken back or not begun", "violations")


def rows(outcomes: Iterable[Outcome]) -> list[tuple[str, ...]]:
    """Count outcomes by kind and world, with a sum; one that hit nothing is none."""
    dealt = [one for one in outcomes if one.struck]
    counted = [(kind.value, where.value, [one for one in dealt if _is(one, kind, where)]) for kind, where in SHARES]
    made = [(kind, where, *_counts(some)) for kind, where, some in counted if some]
    return [*made, ("all", "", *_counts(dealt))]


def _is(one: Outcome, kind: Kind, where: Where) -> bool:
    return one.fault.kind is kind and one.fault.where is where


def _counts(some: Sequence[Outcome]) -> tuple[str, ...]:
    put = sum(one.told.startswith("✅") for one in some)
    bad = sum(bool(one.violations) for one in some)
    return (str(len(some)), str(put), str(len(some) - put), str(bad))


def is_well(outcomes: Sequence[Outcome]) -> bool:
    """Say whether a campaign has passed: nothing is wrong, and nearly every fault has hit something."""
    missed = sum(not one.struck for one in outcomes)
    return not any(one.violations for one in outcomes) and missed * _MISSES <= len(outcomes)


def markdown(outcomes: Iterable[Outcome]) -> str:
    """Return the table for a page."""
    lines = [_HEAD, tuple("---:" if number > 1 else "---" for number in range(len(_HEAD))), *rows(outcomes)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(outcomes: Iterable[Outcome]) -> str:
    """Return the table for a terminal."""
    lines = [_HEAD, *rows(outcomes)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
