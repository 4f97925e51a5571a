"""What can be said here, and who may: the configuration and the commands, without the world behind them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from opsbot.commands import Catalogue
from opsbot.config import Config
from opsbot.errors import UsageError
from opsbot.model import STRANGER, Decision, Person
from opsbot.parsing import Invocation, parse
from opsbot.policy import ask_for, decide
from opsbot.typed import option_in, shown, split, suggestion
from opsbot.words import PLATFORM, Place, Project, Revision, Target


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """The configuration and the commands."""

    config: Config
    commands: Catalogue
    #: A sentence for each plugin that did not load.
    problems: tuple[str, ...] = ()

    @property
    def choices(self) -> Mapping[type, Collection[str]]:
        """Return the names that a typed word of each type may be."""
        projects = tuple(self.config.projects)
        return {
            Project: (*projects, PLATFORM.name),
            Target: projects,
            Place: (*projects, PLATFORM.name, *self.config.hosts),
        }

    def host_of(self, project: Project | None) -> str:
        """Return the name of the host that a project runs on; without a project, of the default one."""
        if project is not None and project != PLATFORM:
            return self.config.projects[project.name].host
        if self.config.default_host is None:
            raise UsageError("There are several hosts, and none is marked as the default in my configuration.")
        return self.config.default_host

    @property
    def homes(self) -> Mapping[str, str]:
        """Return the host of each project, and by the platform's name the default one, if there is one."""
        projects = {name: one.host for name, one in self.config.projects.items()}
        return projects | {PLATFORM.name: self.config.default_host or ""}

    @property
    def owners(self) -> Mapping[str, Project]:
        """Return the project of each unit that is a project's own; all other units are the platform's."""
        services = self.config.services
        return {
            unit: Project(name)
            for name, project in self.config.projects.items()
            for service in project.services
            if (unit := services[service].unit)
        }

    def parse(self, name: str, rest: str) -> Invocation:
        """Parse a command's name and the words behind it. Raises UsageError."""
        prefix = self.config.prefix
        command = self.commands.find(name)
        if command is None:
            meant = suggestion(name, self.commands.words, shape=prefix + "{}")
            raise UsageError(f"There is no command `{prefix}{shown(name)}`.{meant} `{prefix}help` lists them.")
        typed = split(rest)
        if (helping := self.commands.find("help")) is not None and _asks_for_help(typed):
            command, typed = helping, [command.name]
        return parse(command, typed, choices=self.choices, prefix=prefix)

    def decide(self, person: Person, invocation: Invocation, rooms: frozenset[str] = frozenset()) -> Decision:
        """Decide whether a person may give a command in the room of these names."""
        command = invocation.command
        # Who names no revision means the usual one, and a rule about revisions is about it, too.
        usual = {one.name: one.default for one in command.params if isinstance(one.default, Revision)}
        arguments = {**usual, **invocation.arguments}
        ask = ask_for(command.name, command.needs, arguments, owners=self.owners, host_of=self.homes, rooms=rooms)
        return decide(person, ask, self.config.rules)

    @property
    def strays(self) -> tuple[str, ...]:
        """Return a sentence for each rule about a command that there is not: a misspelt one protects nothing."""
        return tuple(
            f"{rule.place} is about `{name}`, which is no command.{suggestion(name, self.commands)}"
            for rule in self.config.rules
            for name in sorted(rule.commands - set(self.commands))
        )

    def person(self, name: str) -> Person:
        """Return a person of today's configuration; somebody who left is a stranger."""
        return next((one for one in self.config.people if one.name == name), STRANGER)


def _asks_for_help(typed: Iterable[str]) -> bool:
    return any(option.name in {"help", "h"} for word in typed if (option := option_in(word)))
