"""Who must agree to what, no I/O: somebody else than who asked, of a level that grows with what the plan shows."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Self

from opsbot.hours import Hours
from opsbot.model import Decision, Job, JobKind, Json, Level, Person
from opsbot.policy import decide_plan
from opsbot.rules import Ask, Rule
from opsbot.words import PLATFORM

#: Nobody need agree.
NOBODY = Level.STRANGER
#: Without these people hear nothing, or nobody can get in: services by their names in the configuration, …
_LIFELINES = {"homeserver": "the homeserver", "bridge": "the bridge", "database": "the database", "opsbot": "opsbot"}
#: … and units that are the same on every host.
_EVERYWHERE = {"sshd.service": "sshd", "ssh.service": "sshd", "postgresql.service": "PostgreSQL"}


@dataclass(frozen=True, kw_only=True)
class Approvals:
    """Whose word is needed besides that of who asks. A level is that of somebody else; times are in seconds."""

    deploy: Level = NOBODY
    rollback: Level = NOBODY
    platform: Level = NOBODY
    #: What the plan shows to be risky.
    risky: Level = NOBODY
    projects: Mapping[str, Level] = field(default_factory=dict)
    #: Outside of these, everything is risky.
    hours: Hours | None = None
    expires: int = 3600
    remind: int = 900
    #: When who asks may agree alone where nobody else could; None means never.
    alone: int | None = None


@dataclass(frozen=True, kw_only=True)
class Need:
    """The level that somebody else must have, and why it is more than usual."""

    level: Level
    reasons: tuple[str, ...] = ()


def needed(
    approvals: Approvals,
    plan: Json,
    *,
    kind: JobKind,
    project: str,
    units: Mapping[str, str | None],
    now: datetime,
    zone: tzinfo,
) -> Need:
    """Return what must be agreed to before a PLAN is activated; UNITS are those of the configured services."""
    usual = approvals.rollback if kind is JobKind.ROLLBACK else _for_deploy(approvals, plan, project)
    if approvals.risky <= usual:
        return Need(level=usual)
    reasons = tuple(risks(plan, units))
    if approvals.hours is not None and not approvals.hours.hold_at(now, zone):
        reasons += (f"it is outside of {approvals.hours}",)
    return Need(level=approvals.risky if reasons else usual, reasons=reasons)


def _for_deploy(approvals: Approvals, plan: Json, project: str) -> Level:
    """Return what a deploy usually needs: the most that one of the projects that move needs, or the platform."""
    projects = {project, *plan["moves"]} - {PLATFORM.name}
    levels = [approvals.projects.get(name, approvals.deploy) for name in projects]
    if plan["foreign"] or project == PLATFORM.name:
        levels.append(approvals.platform)
    return max(levels, default=NOBODY)


def risks(plan: Json, units: Mapping[str, str | None]) -> Iterable[str]:
    """Yield what a plan shows that may cost more than the project: what restarts, the kernel, what cannot go back."""
    stopped = {unit for change in ("stop", "restart") for unit in plan["units"][change]}
    known = {unit: words for name, words in _LIFELINES.items() if (unit := units.get(name))} | _EVERYWHERE
    named = dict.fromkeys(words for unit, words in known.items() if unit in stopped)
    yield from (f"it restarts {words}" for words in named)
    if plan["kernel_changed"]:
        yield "it changes the kernel"
    yield from (str(hazard).rstrip(".") for hazard in plan.get("hazards") or ())


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody is to agree to: bound to the system that was built and to the one that runs."""

    system: str
    base: str
    need: Need
    asker: str
    #: What would be done, for the rights of who agrees.
    ask: Ask
    moves: frozenset[str]
    foreign: frozenset[str]
    #: Unix seconds.
    asked_at: float
    expires_at: float

    @classmethod
    def of(cls, job: Job) -> Self | None:
        """Read the request that a job waits with; None when it waits for nobody."""
        kept = (job.details or {}).get("consent")
        if job.ended_at is not None or not kept or kept.get("over"):
            return None
        moves, foreign = frozenset(kept["moves"]), frozenset(kept["foreign"])
        return cls(
            system=kept["system"],
            base=kept["base"],
            need=Need(level=Level[kept["level"].upper()], reasons=tuple(kept["reasons"])),
            asker=job.person,
            ask=what_of(job, revision=kept["revision"]),
            moves=moves,
            foreign=foreign,
            asked_at=kept["asked_at"],
            expires_at=kept["expires_at"],
        )

    @property
    def mark(self) -> str:
        """What stands for the system and the base of this request in the names of its messages."""
        return hashlib.sha256(f"{self.system} {self.base}".encode()).hexdigest()[:12]

    def as_json(self) -> Json:
        """Write it down among what its job has learnt."""
        return {
            "system": self.system,
            "base": self.base,
            "level": str(self.need.level),
            "reasons": list(self.need.reasons),
            "revision": self.ask.revision,
            "moves": sorted(self.moves),
            "foreign": sorted(self.foreign),
            "asked_at": self.asked_at,
            "expires_at": self.expires_at,
        }


def what_of(job: Job, *, revision: str | None) -> Ask:
    """Return what a job asks for, as the policy reads it; REVISION is the branch or tag that it was found on."""
    return Ask(
        command=job.kind.value,
        needs=Level.DEPLOYER,
        rooms=frozenset((job.details or {}).get("rooms", [])),
        projects=frozenset({job.project} - {""}),
        hosts=frozenset({job.host}),
        revision=revision,
    )


def may_agree(
    person: Person, request: Request, rules: Sequence[Rule], team: Collection[Person], approvals: Approvals, now: float
) -> Decision:
    """Decide whether a person may agree to a request, at NOW in Unix seconds. Accounts mean nothing: persons do."""
    usual = _may(person, request, rules)
    if person.name != request.asker or not usual.allowed:
        return usual
    others = able(request, rules, team)
    if others:
        return _no(f"somebody else must agree: {', '.join(others)}.")
    if approvals.alone is None:
        return _no("nobody else could agree: an admin must add a person, or set approvals.alone.")
    left = request.asked_at + approvals.alone - now
    if left > 0:
        return _no(f"nobody else could agree, so you may yourself, with a reason, {left:.0f} s from now.")
    return Decision(allowed=True, reason="nobody else could agree.", place="approvals.alone")


def able(request: Request, rules: Sequence[Rule], team: Iterable[Person]) -> list[str]:
    """Return the names of those who may agree, other than who asked."""
    others = (person for person in team if person.name != request.asker)
    return sorted(person.name for person in others if _may(person, request, rules).allowed)


def _may(person: Person, request: Request, rules: Sequence[Rule]) -> Decision:
    level = request.need.level
    if person.level < level:
        return _no(f"this needs the word of the level {level}; {person.name} is {person.level}.")
    if level >= Level.DEPLOYER:
        own = decide_plan(person, request.ask, rules, moves=request.moves, foreign=request.foreign)
        if not own.allowed:
            return _no(f"who agrees must have the rights to do it: {own.reason}")
    return Decision(allowed=True, reason=f"{person.name} is {person.level}.", place=f"people.{person.name}.level")


def _no(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason, place="approvals")
