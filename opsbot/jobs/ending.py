"""How a job ends: the outcome, and what people are told."""

from dataclasses import dataclass, field

from opsbot.model import Json, Outcome, Text


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The true end of a job."""

    outcome: Outcome
    #: One line, for the room.
    headline: str
    #: What the report shows below its stages, e.g. the last lines of a log.
    more: Text | None = None
    details: Json = field(default_factory=dict)


class EndedError(Exception):
    """Leaves a job's function with its end; raised between steps, never in one."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.headline)
        self.ending = ending
