"""May they? One place, no I/O: denied unless granted, and always with the reason."""

from collections.abc import Collection, Mapping
from typing import Any

from opsbot.model import Decision, Level, Person
from opsbot.words import PLATFORM, Project, Target, Unit


def decide(
    person: Person, *, needs: Level, arguments: Mapping[str, Any], owners: Mapping[str, Project] | None = None
) -> Decision:
    """Decide whether a person may give a command with these arguments; a dry run changes nothing and needs less.

    OWNERS tells whose a unit is; one that it does not name is the platform's.
    """
    if arguments.get("dry_run"):
        needs = min(needs, Level.CONTRIBUTOR)
    if person.level < needs:
        return _no(f"this needs the level {needs}; {_who(person)}.")
    if needs < Level.DEPLOYER:
        return _yes(f"{person.name} is {person.level}; this needs {needs}.")
    for project in _projects(arguments, owners or {}):
        refusal = _project_refusal(person, project)
        if refusal is not None:
            return refusal
    return _yes(f"{person.name} is {person.level}.")


def decide_plan(person: Person, *, moves: Collection[str], foreign: Collection[str]) -> Decision:
    """Decide whether a person may activate what a plan shows: the projects that move, and what is nobody's project."""
    if person.level < Level.DEPLOYER:
        return _no(f"this needs the level {Level.DEPLOYER}; {_who(person)}.")
    if person.level >= Level.ADMIN:
        return _yes(f"{person.name} is admin.")
    if foreign:
        shown = ", ".join(f"`{name}`" for name in sorted(foreign)[:5])
        return _no(f"it changes more than the project's own units ({shown}): that is a change to the platform.")
    for name in sorted(moves):
        refusal = _project_refusal(person, Project(name))
        if refusal is not None:
            return refusal
    return _yes(f"{person.name} is {person.level}, and nothing else is touched.")


def _projects(arguments: Mapping[str, Any], owners: Mapping[str, Project]) -> list[Project]:
    found = []
    for value in arguments.values():
        match value:
            case Project():
                found.append(value)
            case Target(project=Project() as project):
                found.append(project)
            case Unit(name):
                found.append(owners.get(name, PLATFORM))
            case _:
                pass
    return found


def _project_refusal(person: Person, project: Project) -> Decision | None:
    if person.level >= Level.ADMIN:
        return None
    if project == PLATFORM:
        return _no("the platform is for admins.")
    if person.projects is not None and project.name not in person.projects:
        theirs = ", ".join(sorted(person.projects)) or "no project"
        return _no(f"{person.name} is deployer for {theirs}, not for {project}.")
    return None


def _who(person: Person) -> str:
    return "you are nobody that I know" if person.level is Level.STRANGER else f"{person.name} is {person.level}"


def _yes(reason: str) -> Decision:
    return Decision(allowed=True, reason=reason)


def _no(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)
