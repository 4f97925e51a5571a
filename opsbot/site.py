"""Everything that commands and jobs work with, in one place; put together once, in app.py."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from opsbot.commands import Command
from opsbot.config import Config
from opsbot.errors import UsageError
from opsbot.model import STRANGER, Person
from opsbot.ports import Chat, Clock, Engine, Forge, Host, Inbox, Jobs, Outbox, Outside
from opsbot.words import PLATFORM, Project, Target


@dataclass(frozen=True, kw_only=True)
class Site:
    """The configuration, the commands, and the world behind its ports."""

    config: Config
    commands: Mapping[str, Command]
    hosts: Mapping[str, Host]
    inbox: Inbox
    ledger: Jobs
    outbox: Outbox
    chat: Chat
    outside: Outside
    forge: Forge | None
    engine: Engine
    clock: Clock

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

    def person(self, name: str) -> Person:
        """Return a person of today's configuration; somebody who left is a stranger."""
        return next((one for one in self.config.people if one.name == name), STRANGER)
