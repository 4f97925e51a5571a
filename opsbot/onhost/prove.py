"""The host's own proof that a switch went well: nothing that was well and that it touched is broken now."""

import time
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opsbot.onhost import arm, checks, systemd
from opsbot.onhost.errors import HostError
from opsbot.onhost.services import Service

_PAUSE = 0.5
#: Rounds in a row that must be well: a service that dies at once is well for a moment.
_ROUNDS = 2
#: Units whose last words are kept, and characters of each line: the bot must be able to read how a job ended.
_SHOWN = 20
_WIDTH = 300


@dataclass(frozen=True, kw_only=True)
class Health:
    """What was well and what was not, at one moment."""

    #: The units that have failed.
    failed: frozenset[str]
    well: frozenset[str]
    #: What is not well, with the reason.
    ill: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Looks at services, with the programs of the moment in which it was made."""

    services: Sequence[Service]
    user: str

    @classmethod
    def of(cls, services: Sequence[Service], user: str) -> "Doctor":
        """Make one whose commands are those of today: after a switch their names may lead to what is to be proved."""
        return cls(services=[_resolved(service) for service in services], user=user)

    def look(self, *, or_trying: bool = False) -> Health:
        """Look once; OR_TRYING: a unit that is to be started again after it failed counts as failed."""
        problems = checks.look(self.services, self.user)
        ill = {name: problem for name, problem in problems.items() if problem is not None}
        failed = frozenset(systemd.failed(or_trying=or_trying))
        return Health(failed=failed, well=frozenset(problems.keys() - ill.keys()), ill=ill)

    def look_before(self) -> Health:
        """Look until all is well, for as long as a unit must be active: what has only just come up is not ill."""
        deadline = time.monotonic() + max((service.active for service in self.services), default=0)
        while True:
            health = self.look(or_trying=True)
            if not health.ill or time.monotonic() > deadline:
                return health
            time.sleep(_PAUSE)


def _resolved(service: Service) -> Service:
    commands = tuple(
        replace(command, argv=(str(arm.resolved(Path(command.argv[0]))), *command.argv[1:]))
        for command in service.commands
    )
    return replace(service, commands=commands)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the comparison of two moments says: faults undo a deploy, warnings are told."""

    faults: tuple[str, ...] = ()
    failed_units: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def near(services: Sequence[Service], touched: Collection[str], named: Collection[str]) -> list[Service]:
    """Return the services that a switch touched: by one of their units, or, when they list none, by being NAMED."""
    return [
        service
        for service in services
        if not set(service.units).isdisjoint(touched) or (not service.units and service.name in named)
    ]


class Everything:
    """What a reboot touches."""

    def __contains__(self, _: object) -> bool:
        """Say yes."""
        return True


def judge(before: Health, after: Health, counted: Container[str]) -> Verdict:
    """Compare two moments; only what was well before, or is new, and is COUNTED as touched is a fault."""
    newly_failed = sorted(after.failed - before.failed)
    ours = [name for name in newly_failed if name in counted]
    others = [name for name in newly_failed if name not in counted]
    ill = sorted((after.ill.keys() & before.well) - set(newly_failed))
    broken = [name for name in ill if name in counted]
    was = sorted(name for name in after.ill if name in counted and name not in before.well and name not in ours)
    faults = [f"{name} has failed" for name in ours]
    faults += [f"{name} was well before and is not now ({after.ill[name]})" for name in broken]
    warnings = [f"{name} has failed meanwhile, but this deploy did not touch it." for name in others]
    warnings += [
        f"{name} was well before and is not now ({after.ill[name]}), but this deploy did not touch it."
        for name in ill
        if name not in counted
    ]
    warnings += [f"{name} is not well ({after.ill[name]}), and was not before." for name in was]
    units = [*ours, *(name for name in broken if name.endswith(".service"))]
    return Verdict(faults=tuple(faults), failed_units=tuple(units), warnings=tuple(warnings))


def prove(
    before: Health, doctor: Doctor, counted: Container[str], *, within: float, stop: Callable[[], None]
) -> Verdict:
    """Look until all is well twice in a row, WITHIN so many seconds; STOP is called in each round."""
    deadline = time.monotonic() + within
    rounds = 0
    while True:
        stop()
        try:
            verdict = judge(before, doctor.look(), counted)
        except HostError as error:  # while systemd is re-executed it answers nobody
            verdict = Verdict(faults=(f"the units could not be looked at ({error.message})",))
        rounds = 0 if verdict.faults else rounds + 1
        if rounds >= _ROUNDS or (verdict.faults and time.monotonic() > deadline):
            return verdict
        time.sleep(_PAUSE)


def last_words(units: Sequence[str], count: int = 20) -> list[dict[str, Any]]:
    """Return the last journal lines of units, for the message that says what went wrong; of very many, of the first."""
    words = []
    for unit in units[:_SHOWN]:
        with suppress(HostError):
            words.append({"unit": unit, "lines": [line[:_WIDTH] for line in systemd.lines(unit, count)]})
    return words
