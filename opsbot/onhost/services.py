"""What the host's configuration says of a service: its units, and what shows from outside that it is well."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opsbot.onhost.sections import ConfigError, Section

_ENDPOINT = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_STATUSES = (100, 599)
_LONGEST_COMMAND = 300


@dataclass(frozen=True, kw_only=True)
class Http:
    """A page that answers when the service is well."""

    url: str
    #: The status that counts as well; None takes everything from 200 to 399.
    status: int | None = None
    #: What the answer's body must contain.
    body: str | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program of root's list that ends with 0 when the service is well."""

    name: str
    argv: tuple[str, ...]
    #: Seconds that it may take.
    seconds: int = 10


@dataclass(frozen=True, kw_only=True)
class Service:
    """Something that is well or not."""

    name: str
    units: tuple[str, ...] = ()
    #: Seconds for which a unit must have been active without a break.
    active: int = 3
    http: tuple[Http, ...] = ()
    tcp: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    #: Seconds that all this may take to hold after a switch.
    settle: int = 10

    @property
    def checks(self) -> frozenset[str]:
        """The names of what is looked at beside the units."""
        commands = (command.name for command in self.commands)
        return frozenset((*(page.url for page in self.http), *self.tcp, *commands))


def _http(value: Any, where: str) -> Http:
    section = Section({"url": value} if isinstance(value, str) else value, where)
    least, most = _STATUSES
    expects = "status" in section.rest
    page = Http(
        url=section.text("url"),
        status=section.number("status", 200, least=least, most=most, what="a status") if expects else None,
        body=section.maybe("body"),
    )
    section.end()
    if not _URL.fullmatch(page.url):
        raise ConfigError(where, f"{page.url} is not the address of a page")
    return page


def _command(service: str, name: str, value: Any, where: str) -> Command:
    section = Section({"argv": value} if isinstance(value, list) else value, where)
    command = Command(
        name=f"the check {name} of {service}",
        argv=section.texts("argv"),
        seconds=section.number("seconds", 10, least=1, most=_LONGEST_COMMAND, what="a number of seconds"),
    )
    section.end()
    if not command.argv or not command.argv[0].startswith("/"):
        raise ConfigError(where, "this must be a program's full path and its arguments, each a text of its own")
    return command


def checks(name: str, section: Section) -> dict[str, Any]:
    """Take from a section all that says when a service is well."""
    where = section.where
    found: dict[str, Any] = {
        "settle": section.seconds("settle", 10),
        "units": section.units("units"),
        "http": tuple(_http(value, f"{where}.http") for value in section.items("http")),
        "tcp": section.texts("tcp"),
        "commands": tuple(
            _command(name, one, value, f"{where}.commands.{one}") for one, value in section.named("commands").items()
        ),
    }
    # Less than `settle`, or it could not be seen to have been active for so long.
    found["active"] = section.seconds("active", min(3, found["settle"] // 3), least=0)
    for endpoint in found["tcp"]:
        if not _ENDPOINT.fullmatch(endpoint):
            raise ConfigError(f"{where}.tcp", f"{endpoint} is not HOST:PORT")
    _once([page.url for page in found["http"]], f"{where}.http")
    if found["settle"] <= found["active"]:
        raise ConfigError(f"{where}.active", f"this must be less than `settle`, which is {found['settle']}")
    return found


def _once(names: Sequence[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(where, f"{name} stands there twice")


def service(name: str, value: Any) -> Service:
    """Read a service of the platform; it must name its units, which tell whether a switch touched it."""
    section = Section(value, f"services.{name}")
    found = Service(name=name, **checks(name, section))
    section.end()
    if not found.units:
        raise ConfigError(f"services.{name}.units", "this must list a unit: they tell whether a switch touched it")
    return found
