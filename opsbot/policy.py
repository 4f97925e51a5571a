"""May they? One place, no I/O: denied unless granted, and always with the reason and the place of the rule."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opsbot.model import Decision, Level, Person
from opsbot.rules import Ask, Rule
from opsbot.words import PLATFORM, Place, Project, Revision, Target, Unit

#: Options that take a safeguard away, with the level that they need where no rule grants them by name.
GUARDED = {"force": Level.ADMIN}
#: Where a decision stands that no line of the configuration makes.
BUILT_IN = "built in"
#: A commit's id says nothing of its branch; that is known, and looked at, when the host has found it.
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


def decide(person: Person, ask: Ask, rules: Sequence[Rule] = ()) -> Decision:
    """Decide whether a person may have what they ask for.

    A rule that denies goes before everything; then come the level and the projects of the person, then the rules that
    allow. What nothing allows is denied.
    """
    for rule in rules:
        if rule.denies(person, ask):
            return _no(rule.reason or f"a rule forbids {ask.command} here.", rule.place)
    usual = _by_level(person, ask)
    if usual.allowed:
        return usual
    for rule in rules:
        if rule.grants(person, ask):
            return _yes(rule.reason or f"a rule allows {ask.command} to {person.name}.", rule.place)
    return usual


def decide_plan(
    person: Person, ask: Ask, rules: Sequence[Rule] = (), *, moves: Collection[str], foreign: Collection[str]
) -> Decision:
    """Decide whether a person may activate what a plan shows: the projects that move, and what is nobody's project."""
    touched = ask.projects | set(moves) | ({PLATFORM.name} if foreign else set())
    decision = decide(person, replace(ask, projects=touched), rules)
    if decision.allowed or not foreign or PLATFORM.name in ask.projects or person.level < Level.DEPLOYER:
        return decision
    shown = ", ".join(f"`{name}`" for name in sorted(foreign)[:5])
    sentence = f"it changes more than the project's own units ({shown}): that is a change to the platform."
    more = "An admin may say the same." if decision.place == BUILT_IN else decision.reason
    return replace(decision, reason=f"{sentence} {more}")


def ask_for(
    command: str,
    needs: Level,
    arguments: Mapping[str, Any],
    *,
    owners: Mapping[str, Project],
    host_of: Mapping[str, str],
    rooms: frozenset[str] = frozenset(),
) -> Ask:
    """Read out of a command's arguments what it touches.

    OWNERS tells whose a unit is; one that it does not name is the platform's. HOST_OF tells where a project runs, and
    by the platform's name the host that is meant by default.
    """
    projects = {project.name for project in _projects(arguments.values(), owners, host_of)}
    on_a_host = projects or any(isinstance(value, Target | Place) for value in arguments.values())
    hosts = {host_of.get(name, host_of.get(PLATFORM.name, "")) for name in (projects or {PLATFORM.name})}
    revision = next((value.name for value in arguments.values() if isinstance(value, Revision)), None)
    return Ask(
        command=command,
        # A dry run changes nothing, and so needs less.
        needs=min(needs, Level.CONTRIBUTOR) if arguments.get("dry_run") else needs,
        rooms=rooms,
        projects=frozenset(projects),
        hosts=frozenset(hosts) if on_a_host else frozenset(),
        revision=None if revision is None or _COMMIT.fullmatch(revision) else revision,
        guarded=frozenset(name for name in GUARDED if arguments.get(name)),
    )


def of_place(place: Place, host_of: Mapping[str, str]) -> list[str]:
    """Return the projects that a place stands for: itself, or all those on a host, though not its platform."""
    if place.name in host_of:
        return [place.name]
    host = place.name or host_of.get(PLATFORM.name, "")
    return [name for name, home in host_of.items() if home == host and name != PLATFORM.name]


def _projects(values: Iterable[Any], owners: Mapping[str, Project], host_of: Mapping[str, str]) -> list[Project]:
    found: list[Project] = []
    for value in values:
        match value:
            case Project():
                found.append(value)
            case Target(project=Project() as project):
                found.append(project)
            case Place():
                found += map(Project, of_place(value, host_of))
            case Unit(name):
                found.append(owners.get(name, PLATFORM))
            case _:
                pass
    return found


def _by_level(person: Person, ask: Ask) -> Decision:
    level, place = f"people.{person.name}.level", f"people.{person.name}.projects"
    if person.level is Level.STRANGER:
        level = BUILT_IN
    if person.level < ask.needs:
        return _no(f"this needs the level {ask.needs}; {_who(person)}.", level)
    for option in sorted(ask.guarded):
        if person.level < GUARDED[option]:
            return _no(f"--{option} needs the level {GUARDED[option]}; {_who(person)}.", level)
    if ask.needs < Level.DEPLOYER:
        return _yes(f"{person.name} is {person.level}; this needs {ask.needs}.", level)
    if person.level < Level.ADMIN:
        if PLATFORM.name in ask.projects:
            return _no("the platform is for admins.", BUILT_IN)
        others = ask.projects - person.projects if person.projects is not None else frozenset()
        if person.projects is not None and others:
            theirs = ", ".join(sorted(person.projects)) or "no project"
            return _no(f"{person.name} is deployer for {theirs}, not for {', '.join(sorted(others))}.", place)
    return _yes(f"{person.name} is {person.level}.", level)


def _who(person: Person) -> str:
    return "I do not know you yet" if person.level is Level.STRANGER else f"{person.name} is {person.level}"


def _yes(reason: str, place: str) -> Decision:
    return Decision(allowed=True, reason=reason, place=place)


def _no(reason: str, place: str) -> Decision:
    return Decision(allowed=False, reason=reason, place=place)
