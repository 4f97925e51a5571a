"""What a platform repository and a project repository say: `platform.json`, `service.json` or `pyproject.toml`."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsbot.standin.errors import NixError


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of the platform, which in the stand-in only sleeps."""

    name: str
    version: str
    description: str
    #: Its program, where that has another name.
    program: str = ""
    #: The exit status with which it fails at start; None means that it runs.
    exits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A host's configuration."""

    host: str
    version: str
    kernel: str
    services: tuple[Service, ...]
    #: How the system's init wants to be spoken to; another one cannot be switched to.
    init: str = "systemd 2"
    #: What NixOS does not switch to while the host runs, by name.
    inhibitors: Mapping[str, str] = field(default_factory=dict)
    #: The project's settings by its name, which is also that of its flake input: `port`.
    projects: Mapping[str, Mapping[str, Any]]
    #: More files below etc/.
    etc: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project, as its own repository describes it."""

    name: str
    version: str
    description: str
    #: The Python file that is the service.
    main: str
    #: A module of tests that the build runs, or a folder in which it finds them.
    test: str | None = None
    tests_in: str | None = None
    type: str = "notify"
    restart: str = "no"
    #: Seconds until it is started again.
    restart_seconds: float = 0.1
    #: Seconds that its build takes beside its tests.
    build_seconds: float = 0.0

    @property
    def tests(self) -> tuple[str, ...]:
        """What unittest is told, so that the build runs them."""
        if self.tests_in is not None:
            return ("discover", "-v", self.tests_in)
        return ("-v", self.test) if self.test is not None else ()


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise NixError(f"getting status of '{path}': No such file or directory") from None
    except ValueError as error:
        raise NixError(f"[json.exception.parse_error.101] parse error in '{path}': {error}") from error
    return found


def read_platform(folder: Path) -> Platform:
    """Read the platform from its tree. Raises NixError in the words of an evaluation that failed."""
    said = _read(folder / "platform.json")
    try:
        services = tuple(Service(name=name, **facts) for name, facts in said.pop("services").items())
        return Platform(services=services, **said)
    except (TypeError, KeyError) as error:
        raise NixError(f"The option in '{folder}/platform.json' does not exist or is missing: {error}") from error


def read_project(folder: Path) -> Project:
    """Read a project from its tree. Raises NixError in the words of an evaluation that failed."""
    if (folder / "pyproject.toml").exists() and not (folder / "service.json").exists():
        return _read_package(folder / "pyproject.toml")
    try:
        return Project(**_read(folder / "service.json"))
    except TypeError as error:
        raise NixError(f"The option in '{folder}/service.json' does not exist or is missing: {error}") from error


def _read_package(path: Path) -> Project:
    """Read a project that is made from the template: a module below src, which is its program, and its tests."""
    try:
        said = tomllib.loads(path.read_text())["project"]
        module, _, _ = said["scripts"][said["name"]].partition(":")
        name, version, description = (str(said[key]) for key in ("name", "version", "description"))
    except (ValueError, TypeError, AttributeError) as error:
        raise NixError(f"while parsing TOML: {error}, in '{path}'") from error
    except KeyError as error:
        raise NixError(f"attribute {error} missing in '{path}'") from error
    return Project(
        name=name,
        version=version,
        description=description,
        main=f"src/{module}.py",
        tests_in="src",
        restart="on-failure",
        restart_seconds=5.0,
    )


def check_syntax(folder: Path) -> None:
    """Refuse a flake.nix whose brackets do not match, with Nix's own words."""
    try:
        text = (folder / "flake.nix").read_text()
    except FileNotFoundError:
        raise NixError(f"source tree referenced by '{folder}' does not contain a '/flake.nix' file") from None
    for opening, closing in ("{}", "[]", "()"):
        if text.count(opening) != text.count(closing):
            at = f"{folder}/flake.nix:{len(text.splitlines()) + 1}:1"
            raise NixError(f"syntax error, unexpected end of file\n\n       at {at}:")
