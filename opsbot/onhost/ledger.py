"""The ledger: which generations were proved, and which commit and pins they stand for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

#: Entries that are kept: each names all pins, and a file that grew for ever would one day be too long to be read.
_KEPT = 250


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One generation that was put in place, or that ran when the host was adopted."""

    generation: int
    system: str
    commit: str | None
    pins: Mapping[str, str] = field(default_factory=dict)
    proved: bool = True
    job: str | None = None
    #: Seconds since 1970.
    at: float = 0.0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read an entry; keys that a later version wrote are left alone."""
        return cls(
            generation=int(value["generation"]),
            system=str(value["system"]),
            commit=value.get("commit"),
            pins=dict(value.get("pins") or {}),
            proved=bool(value.get("proved", True)),
            job=value.get("job"),
            at=float(value.get("at", 0.0)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the entry as it stands in the file."""
        return {**vars(self), "pins": dict(self.pins)}


@dataclass(frozen=True)
class Ledger:
    """All entries, in the order in which they were written."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the ledger; an absent one is empty."""
        return cls(tuple(Entry.from_json(item) for item in value.get("generations", [])))

    def as_json(self) -> dict[str, Any]:
        """Return the ledger as it stands in the file."""
        return {"generations": [entry.as_json() for entry in self.entries]}

    @property
    def empty(self) -> bool:
        """Say whether nothing was recorded yet."""
        return not self.entries

    def with_entry(self, entry: Entry) -> Self:
        """Return the ledger with one more entry; the same generation is replaced, and the oldest of many are let go."""
        others = tuple(item for item in self.entries if item.generation != entry.generation)
        return replace(self, entries=(*others, entry)[-_KEPT:])

    def entry(self, generation: int, system: str) -> Entry | None:
        """Return the entry of a generation, unless its number was given to another system since."""
        return next((item for item in self.entries if (item.generation, item.system) == (generation, system)), None)

    def by_system(self, system: str) -> Entry | None:
        """Return the newest entry of a store path."""
        return next((item for item in reversed(self.entries) if item.system == system), None)
