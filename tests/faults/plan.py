"""Which faults a campaign deals, and in which order. Pure: the same seed gives the same faults."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What goes wrong."""

    STEP = "bot killed at a step"
    BOT = "bot killed"
    HOMESERVER = "homeserver killed"
    RESET = "SSH connection reset"
    SILENCE = "SSH connection silent"
    SSHD = "sshd killed"
    UNIT = "activation unit killed"
    HOST = "host without power"
    PAUSED_BOT = "bot paused"
    PAUSED_HOMESERVER = "homeserver paused"
    PAUSED_HOST = "host paused"
    FULL_BOT = "no room for the bot's database"
    FULL_HOST = "no room for the host's jobs"
    CLOCK_BOT = "bot's clock an hour off"
    CLOCK_HOST = "helper's clock an hour off"


class Where(StrEnum):
    """In which world it happens."""

    STANDIN = "stand-in"
    DEBIAN = "Debian"


class Work(StrEnum):
    """What was asked for when it happens."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"


#: How many of 200 faults are of a kind, in a world.
SHARES = {
    (Kind.STEP, Where.STANDIN): 60,
    (Kind.BOT, Where.STANDIN): 20,
    (Kind.BOT, Where.DEBIAN): 4,
    (Kind.HOMESERVER, Where.STANDIN): 14,
    (Kind.HOMESERVER, Where.DEBIAN): 3,
    (Kind.RESET, Where.STANDIN): 12,
    (Kind.SILENCE, Where.STANDIN): 8,
    (Kind.SSHD, Where.STANDIN): 8,
    (Kind.SSHD, Where.DEBIAN): 6,
    (Kind.UNIT, Where.STANDIN): 12,
    (Kind.UNIT, Where.DEBIAN): 10,
    (Kind.HOST, Where.STANDIN): 8,
    (Kind.HOST, Where.DEBIAN): 6,
    (Kind.PAUSED_BOT, Where.STANDIN): 4,
    (Kind.PAUSED_HOMESERVER, Where.STANDIN): 4,
    (Kind.PAUSED_HOST, Where.STANDIN): 4,
    (Kind.FULL_BOT, Where.STANDIN): 4,
    (Kind.FULL_HOST, Where.STANDIN): 5,
    (Kind.CLOCK_BOT, Where.STANDIN): 4,
    (Kind.CLOCK_HOST, Where.STANDIN): 4,
}
WHOLE = sum(SHARES.values())

#: The durable steps of a job, in their order.
STEPS = {
    Work.DEPLOY: (
        "begin", "prepare", "plan", "agree", "turn", "look", "activate", "prove", "publish", "unhold", "end",
    ),
    Work.ROLLBACK: ("turn", "find", "plan", "agree", "look", "activate", "prove", "hold", "publish", "end"),
}  # fmt: skip
#: Moments of a job that can be seen on the host, in their order; a rollback builds nothing.
SWITCHING = ("arming", "activating", "proving", "waiting", "committing")
MOMENTS = {
    Work.DEPLOY: ("said", "prepare", "plan", *SWITCHING, "publish"),
    Work.ROLLBACK: ("said", *SWITCHING, "publish"),
}

#: Seconds that a random moment may lie after the one that was seen.
_AFTER = {"said": 1.0, "prepare": 2.5, "plan": 0.5, "publish": 0.8}
_SHORTLY = 0.4
HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault: its number in the campaign, what goes wrong where, during which work, and when."""

    number: int
    kind: Kind
    where: Where
    work: Work
    #: A place at a step (`in prepare`), or a moment of the job.
    at: str
    #: Seconds after that moment.
    after: float
    #: Seconds that it lasts; of a clock, how many it is off.
    lasts: float

    def __str__(self) -> str:
        when = self.at if self.kind is Kind.STEP else f"{self.after:.1f} s after {self.at}"
        clock = self.kind in (Kind.CLOCK_BOT, Kind.CLOCK_HOST)
        long = "" if not self.lasts else f", {self.lasts:+.0f} s" if clock else f", for {self.lasts:.1f} s"
        return f"{self.kind}, {when} of a {self.work}{long} ({self.where})"

    def as_json(self) -> dict[str, Any]:
        """Return the fault as a value of JSON."""
        return asdict(self)

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Fault":
        """Read what `as_json` returned."""
        more = {"kind": Kind(said["kind"]), "where": Where(said["where"]), "work": Work(said["work"])}
        return cls(**{**said, **more})


def campaign(seed: int, *, pause: float) -> Iterator[Fault]:
    """Yield the faults of a SEED for ever: one of each kind first, then by their shares. A PAUSE lasts so long."""
    given: Counter[tuple[Kind, Where]] = Counter()
    first = _shuffled(list(SHARES), f"{seed}")
    places = _shuffled([(work, f"{when} {step}") for work, when, step in _places()], f"{seed} places")
    number = 0
    while True:
        for key in first if number == 0 else [_behind(given, number)]:
            number += 1
            yield _fault(seed, number, key, given[key], places, pause)
            given[key] += 1


def _places() -> Iterator[tuple[Work, str, str]]:
    for work, steps in STEPS.items():
        yield from ((work, when, step) for step in steps for when in ("before", "in", "after"))


def _shuffled(values: list[Any], seed: str) -> list[Any]:
    random.Random(seed).shuffle(values)  # noqa: S311 - a campaign must be repeatable, not secret
    return values


def _behind(given: Counter[tuple[Kind, Where]], number: int) -> tuple[Kind, Where]:
    """Return the kind that has had the least of its share."""
    return max(SHARES, key=lambda key: SHARES[key] * (number + 1) / WHOLE - given[key])


def _fault(
    seed: int, number: int, key: tuple[Kind, Where], turn: int, places: Sequence[tuple[Work, str]], pause: float
) -> Fault:
    kind, where = key
    chance = random.Random(f"{seed}:{number}")  # noqa: S311 - as above
    work, at = chance.choice(list(Work)), ""
    if kind is Kind.STEP:
        work, at = places[turn % len(places)]
    else:
        at = chance.choice(SWITCHING if kind is Kind.UNIT else MOMENTS[work])
    after = 0.0 if kind is Kind.STEP else round(chance.uniform(0, _AFTER.get(at, _SHORTLY)), 2)
    return Fault(
        number=number, kind=kind, where=where, work=work, at=at, after=after, lasts=_length(kind, turn, chance, pause)
    )


def _length(kind: Kind, turn: int, chance: random.Random, pause: float) -> float:
    match kind:
        case Kind.STEP | Kind.BOT | Kind.RESET | Kind.UNIT:
            return 0.0
        case Kind.PAUSED_BOT | Kind.PAUSED_HOMESERVER | Kind.PAUSED_HOST:
            return pause
        case Kind.CLOCK_BOT | Kind.CLOCK_HOST:
            return HOUR if turn % 2 == 0 else -HOUR
        case _:
            return round(chance.uniform(0.5, 8.0), 1)
