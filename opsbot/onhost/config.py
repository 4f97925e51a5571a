"""The host's own configuration, which root writes and which the bot cannot change."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsbot.onhost.errors import HostError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,127}\.(service|socket|timer|target|path|mount)")
_SECONDS = range(1, 3601)


class ConfigError(HostError):
    """The host's configuration is wrong."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__("failed", f"The host's configuration is wrong at {where}: {what}")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A repository elsewhere, and the branch that counts."""

    url: str
    branch: str = "main"
    push_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Project:
    """One flake input of the platform, and how to tell that it is well."""

    name: str
    input: str
    remote: Remote
    units: tuple[str, ...] = ()
    http: tuple[str, ...] = ()
    tcp: tuple[str, ...] = ()
    #: Seconds in which the bot must confirm.
    window: int = 180
    #: Seconds that its checks may take to hold after a switch.
    settle: int = 10


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a host is told about itself."""

    path: Path
    host: str
    state: Path
    profile: Path
    running: Path
    booted: Path
    #: The file with the id of this boot.
    boot_id: Path
    platform: Remote
    projects: Mapping[str, Project]
    restart: tuple[str, ...] = ()
    logs: tuple[str, ...] = ("*",)
    #: Seconds in which an activation must have come as far as waiting for the bot.
    activation: int = 900

    def remote(self, project: str) -> Remote:
        """Return the repository of a project or of the platform; an unknown name is refused."""
        if project == "platform":
            return self.platform
        return self.project(project).remote

    def project(self, name: str) -> Project:
        """Return a project by its name; an unknown one is refused."""
        if name not in self.projects:
            raise HostError("unknown", f"This host has no project {name}.")
        return self.projects[name]


class _Section:
    """One JSON object of the file; what is not taken from it is an error."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ConfigError(where, "this must be an object")
        self.rest: dict[str, Any] = dict(value)
        self.where = where

    def text(self, key: str, default: str | None = None) -> str:
        value = self.rest.pop(key, default)
        if not isinstance(value, str) or not value or value.startswith("-"):
            raise ConfigError(f"{self.where}.{key}", "this must be a text")
        return value

    def maybe(self, key: str) -> str | None:
        return self.text(key) if self.rest.get(key) is not None else self.rest.pop(key, None)

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self.rest.pop(key, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{self.where}.{key}", "this must be a list of texts")
        return tuple(value)

    def units(self, key: str) -> tuple[str, ...]:
        names = self.texts(key)
        for name in names:
            if not UNIT.fullmatch(name):
                raise ConfigError(f"{self.where}.{key}", f"{name} is not the name of a unit")
        return names

    def seconds(self, key: str, default: int) -> int:
        value = self.rest.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value not in _SECONDS:
            raise ConfigError(f"{self.where}.{key}", "this must be a number of seconds from 1 to 3600")
        return value

    def end(self) -> None:
        for key in self.rest:
            raise ConfigError(f"{self.where}.{key}", "there is no such key")


def _remote(section: _Section) -> Remote:
    return Remote(url=section.text("url"), branch=section.text("branch", "main"), push_url=section.maybe("push_url"))


def _project(name: str, value: Any) -> Project:
    where = f"projects.{name}"
    if not NAME.fullmatch(name) or name == "platform":
        raise ConfigError(where, "this is not a name for a project")
    section = _Section(value, where)
    project = Project(
        name=name,
        input=section.text("input", name),
        remote=_remote(section),
        units=section.units("units"),
        http=section.texts("http"),
        tcp=section.texts("tcp"),
        window=section.seconds("window", 180),
        settle=section.seconds("settle", 10),
    )
    section.end()
    return project


def parse(text: str, path: Path) -> Config:
    """Turn the JSON text of the file at PATH into a configuration; the first thing that is wrong is told."""
    try:
        section = _Section(json.loads(text), "the top")
    except ValueError as error:
        raise ConfigError("the top", f"this is not JSON ({error})") from error
    platform = _Section(section.rest.pop("platform", None), "platform")
    projects = section.rest.pop("projects", {})
    if not isinstance(projects, dict):
        raise ConfigError("projects", "this must be an object")
    config = Config(
        path=path,
        host=section.text("host"),
        state=Path(section.text("state", "/var/lib/opsbot")),
        profile=Path(section.text("profile", "/nix/var/nix/profiles/system")),
        running=Path(section.text("running", "/run/current-system")),
        booted=Path(section.text("booted", "/run/booted-system")),
        boot_id=Path(section.text("boot_id", "/proc/sys/kernel/random/boot_id")),
        platform=_remote(platform),
        projects={name: _project(name, value) for name, value in projects.items()},
        restart=section.units("restart"),
        logs=section.texts("logs", ("*",)),
        activation=section.seconds("activation", 900),
    )
    platform.end()
    section.end()
    if not NAME.fullmatch(config.host):
        raise ConfigError("host", "this is not a host's name")
    return config


def load(path: Path) -> Config:
    """Read the configuration from a file."""
    try:
        return parse(path.read_text(encoding="utf-8"), path.resolve())
    except OSError as error:
        raise ConfigError(str(path), f"it cannot be read ({error.strerror})") from error
