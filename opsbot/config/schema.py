"""The shape of the configuration: what `config.example.yaml` explains, as frozen values."""

from collections.abc import Collection
from zoneinfo import ZoneInfo

from pydantic import Field

from opsbot.config import grammar as g
from opsbot.config.entries import ApprovalsEntry, LimitsEntry, PeriodEntry, RuleEntry
from opsbot.config.neighbours import BRIDGE_SECRETS, Bridge, Forge, Homeserver, Section
from opsbot.consent import Approvals
from opsbot.limits import Limits
from opsbot.model import Person
from opsbot.periods import Calendar
from opsbot.rules import Rule


class PersonEntry(Section):
    """One of the team, with a level and all their accounts."""

    level: g.LevelName = Field(description="member, contributor, deployer or admin")
    accounts: tuple[g.Account, ...] = Field((), description="the person's Matrix ids")
    slack: tuple[g.SlackMember, ...] = Field((), description="the person's Slack member ids")
    projects: tuple[g.ProjectName, ...] | None = Field(None, description="the projects that a deployer may deploy")

    def person(self, name: str) -> Person:
        """Return the value that the rest of the bot knows this person as."""
        projects = None if self.projects is None else frozenset(self.projects)
        return Person(
            name=name,
            level=self.level,
            accounts=frozenset(self.accounts),
            slack=frozenset(self.slack),
            projects=projects,
        )


class Host(Section):
    """A managed host, reached over SSH."""

    address: g.Address = Field(description="the host's name or IP address")
    port: g.Port = Field(22, description="the port of its SSH server")
    user: g.User = Field("opsbot", description="the user with the forced command")
    key_file: g.Secret = Field(description="the name of the credential with the bot's SSH key")
    host_key: g.HostKey = Field(description="the host's public key, like `ssh-ed25519 AAAA…`")
    default: bool = Field(default=False, description="whether commands that name no host mean this one")


class Project(Section):
    """Something that the team deploys: a flake input of the platform."""

    host: g.Name = Field(description="the host that the project runs on")
    window: g.Window | None = Field(None, description="seconds to prove a deploy before it is undone")
    approval: g.WordOf | None = Field(None, description="whose word it needs: none, member, deployer or admin")
    services: tuple[g.Name, ...] = Field((), description="the services of this project, by their names below")


class Service(Section):
    """Something that `!status` looks at."""

    host: g.Name | None = Field(None, description="the host that it runs on")
    unit: g.Unit | None = Field(None, description="its systemd unit, like nginx.service")
    http: g.WebAddress | None = Field(None, description="an address that answers when it is well")
    expect: g.Status | None = Field(None, description="the HTTP status that counts as well")
    version: g.VersionPlace | None = Field(None, description="where in that answer its version is")
    tcp: g.Endpoint | None = Field(None, description="a port that accepts connections when it is well")


class Schedule(Section):
    """What a schedule of a plugin is told."""

    room: g.Room = Field(description="the room that it speaks in, one of `rooms`")


class Hook(Section):
    """What a hook of a plugin is told, and who may call it."""

    room: g.Room = Field(description="the room where its words go, one of `rooms`")
    secret_file: g.Secret = Field(description="the name of the credential with the secret that its caller knows")


class Config(Section):
    """Everything that the bot is told."""

    homeserver: Homeserver = Field(description="where the bot logs in")
    rooms: tuple[g.Room, ...] = Field(min_length=1, description="the rooms that the bot listens in, at least one")
    prefix: g.Prefix = Field("!", description="what a command begins with")
    timezone: g.Zone = Field("UTC", description="the zone in which times are shown")
    timezones: dict[g.SaidIn, g.Zone] = Field(default_factory=dict, description="the zones of rooms that have another")
    bridge: Bridge | None = Field(None, description="the Slack bridge, if there is one")
    team: dict[g.Name, PersonEntry] = Field(
        validation_alias="people", min_length=1, description="the persons who may ask for something, at least one"
    )
    agreement: ApprovalsEntry = Field(
        default_factory=lambda: ApprovalsEntry.model_validate({}),
        validation_alias="approvals",
        description="whose word is needed",
    )
    exceptions: tuple[RuleEntry, ...] = Field(
        (), validation_alias="rules", description="exceptions from what the levels say"
    )
    windows: tuple[PeriodEntry, ...] = Field(
        (), validation_alias="deploy_windows", description="hours of the week outside of which nothing is deployed"
    )
    embargoes: tuple[PeriodEntry, ...] = Field((), description="hours of the week in which nothing is deployed")
    most: LimitsEntry = Field(
        default_factory=lambda: LimitsEntry.model_validate({}),
        validation_alias="limits",
        description="how much may be said",
    )
    hosts: dict[g.Name, Host] = Field(min_length=1, description="the managed hosts, at least one")
    projects: dict[g.ProjectName, Project] = Field(default_factory=dict, description="what the team deploys")
    services: dict[g.Name, Service] = Field(default_factory=dict, description="what !status looks at")
    certificates: tuple[g.TlsEndpoint, ...] = Field((), description="where certificates are watched, as NAME:PORT")
    forge: Forge | None = Field(None, description="the forge, if pull requests are to be opened there")
    database: g.Database = Field("sqlite:////var/lib/opsbot-bot/opsbot.db", description="the bot's memory")
    database_password_file: g.Secret | None = Field(None, description="the name of the credential with its password")
    listen: g.Listen | None = Field(None, description="where the bot's own pages are, like 127.0.0.1:9464")
    audit_room: g.Room | None = Field(None, description="the room where each line of the audit is told, too")
    plugins: tuple[g.Folder, ...] = Field((), description="further folders of commands")
    schedules: dict[g.TriggerName, Schedule] = Field(default_factory=dict, description="rooms of plugins' schedules")
    hooks: dict[g.TriggerName, Hook] = Field(default_factory=dict, description="hooks that other programs may call")
    credentials: g.Folder | None = Field(None, description="the folder of secrets, where systemd gives none")

    @property
    def people(self) -> tuple[Person, ...]:
        """Return the team as the rest of the bot knows it."""
        return tuple(entry.person(name) for name, entry in self.team.items())

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the exceptions from what the levels say, as the policy knows them."""
        return tuple(entry.rule(number) for number, entry in enumerate(self.exceptions, 1))

    @property
    def approvals(self) -> Approvals:
        """Return whose word is needed, as the jobs know it."""
        own = {name: one.approval for name, one in self.projects.items() if one.approval is not None}
        return Approvals(projects=own, **dict(self.agreement))

    @property
    def limits(self) -> Limits:
        """Return how much may be said, as the bot knows it."""
        return Limits(**dict(self.most))

    @property
    def calendar(self) -> Calendar:
        """Return when is deployed, as the jobs know it."""
        windows, embargoes = (
            tuple(one.period(f"{key}[{number}]", self.zone) for number, one in enumerate(entries, 1))
            for key, entries in (("deploy_windows", self.windows), ("embargoes", self.embargoes))
        )
        return Calendar(windows=windows, embargoes=embargoes)

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone in which times are shown where a room has none of its own."""
        return ZoneInfo(self.timezone)

    def zone_of(self, names: Collection[str]) -> ZoneInfo:
        """Return the time zone of the room with these names."""
        own = next((zone for room, zone in self.timezones.items() if room in names), None)
        return self.zone if own is None else ZoneInfo(own)

    @property
    def default_host(self) -> str | None:
        """Return the host that commands mean when they name none: the only one, or the one marked so."""
        if len(self.hosts) == 1:
            return next(iter(self.hosts))
        return next((name for name, host in self.hosts.items() if host.default), None)

    def host_of(self, service: str) -> str | None:
        """Return the name of the host that a service's unit is on."""
        return self.services[service].host or self.default_host

    @property
    def secrets(self) -> dict[str, str]:
        """Return the key's path of each credential that is named, with its file name."""
        named = {
            "homeserver.token_file": self.homeserver.token_file,
            "homeserver.password_file": self.homeserver.password_file,
            "forge.token_file": self.forge.token_file if self.forge else None,
            "database_password_file": self.database_password_file,
        }
        named |= {f"hosts.{name}.key_file": host.key_file for name, host in self.hosts.items()}
        named |= {f"hooks.{name}.secret_file": hook.secret_file for name, hook in self.hooks.items()}
        if self.bridge is not None:
            named |= {f"bridge.{key}": getattr(self.bridge, key) for key in BRIDGE_SECRETS}
        return {path: file for path, file in named.items() if file}
