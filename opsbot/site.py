"""Everything that commands and jobs work with, in one place; put together once, in app.py."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from opsbot.commands import Catalogue, Invocation, parse, split, suggestion
from opsbot.config import Config
from opsbot.errors import UsageError
from opsbot.happened import Listener, nobody
from opsbot.model import STRANGER, Decision, Person
from opsbot.policy import decide
from opsbot.ports import Chat, Clock, Engine, Forge, Host, Inbox, Jobs, Outbox, Outside, Storage
from opsbot.words import PLATFORM, Project, Target


@dataclass(frozen=True, kw_only=True)
class Site:
    """The configuration, the commands, and the world behind its ports."""

    config: Config
    commands: Catalogue
    #: A sentence for each plugin that did not load.
    problems: tuple[str, ...] = ()
    hosts: Mapping[str, Host]
    inbox: Inbox
    ledger: Jobs
    outbox: Outbox
    chat: Chat
    outside: Outside
    forge: Forge | None
    engine: Engine
    clock: Clock
    #: Gives what the plugin of a name remembers.
    storage: Callable[[str], Storage]
    #: Hears what happens.
    tell: Listener = nobody

    @property
    def choices(self) -> Mapping[type, Collection[str]]:
        """Return the names that a typed word of each type may be."""
        projects = tuple(self.config.projects)
        return {Project: (*projects, PLATFORM.name), Target: projects}

    def host_of(self, project: Project | None) -> str:
        """Return the name of the host that a project runs on; without a project, of the default one."""
        if project is not None and project != PLATFORM:
            return self.config.projects[project.name].host
        if self.config.default_host is None:
            raise UsageError("There are several hosts, and none is marked as the default in my configuration.")
        return self.config.default_host

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
            raise UsageError(f"There is no command `{prefix}{name}`.{meant} `{prefix}help` lists them.")
        return parse(command, split(rest), choices=self.choices, prefix=prefix)

    def decide(self, person: Person, invocation: Invocation) -> Decision:
        """Decide whether a person may give a command."""
        needs, arguments = invocation.command.needs, invocation.arguments
        return decide(person, needs=needs, arguments=arguments, owners=self.owners)

    def person(self, name: str) -> Person:
        """Return a person of today's configuration; somebody who left is a stranger."""
        return next((one for one in self.config.people if one.name == name), STRANGER)
