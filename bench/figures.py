"""What a scenario found: one figure a row, with what it must not exceed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bench.tally import Tally

Value = float | int | str | Tally | None


class Verdict(StrEnum):
    """Whether a figure holds its bar."""

    OK = "ok"
    MISSED = "MISSED"
    NONE = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row: WHAT was measured, in which UNIT, of opsbot and of what it is compared with."""

    what: str
    unit: str
    opsbot: Value
    other: Value = None
    bar: str = ""
    held: bool | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether it holds its bar."""
        if self.held is None:
            return Verdict.NONE
        return Verdict.OK if self.held else Verdict.MISSED

    def as_json(self) -> Any:
        """Return the figure as a value of JSON."""
        return {
            "what": self.what,
            "unit": self.unit,
            "opsbot": _plain(self.opsbot),
            "other": _plain(self.other),
            "bar": self.bar,
            "verdict": self.verdict.value,
        }

    def cells(self) -> Sequence[str]:
        """Return the figure as the cells of a table."""
        return (self.what, self.unit, shown(self.opsbot), shown(self.other), self.bar, self.verdict.value)


def shown(value: Value) -> str:
    """Return a value as it stands in a table: three digits that mean something."""
    match value:
        case None:
            return ""
        case float():
            return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004 - digits
        case _:
            return str(value)


def _plain(value: Value) -> Any:
    if isinstance(value, Tally):
        return {"once": value.once, "twice": value.twice, "never": value.never}
    return round(value, 4) if isinstance(value, float) else value
