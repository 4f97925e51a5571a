"""Unit files, read the way systemd reads them, as far as the stand-in needs it."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

_SPANS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read a time span such as `90`, `500ms` or `1min 30s`; `infinity` is a year."""
    if text == "infinity":
        return 365 * 86400.0
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", text)
    return sum(float(number) * _SPANS[unit] for number, unit in parts)


@dataclass(frozen=True, kw_only=True)
class UnitFile:
    """What a unit file says."""

    name: str
    description: str = ""
    type: str = "simple"
    commands: tuple[tuple[str, ...], ...] = ()
    after_stop: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    #: A file that the output is appended to; None means the journal.
    output: str | None = None
    remains: bool = False
    restart: str = "no"
    restart_after: float = 0.1
    stop_within: float = 90.0
    kill_mode: str = "control-group"
    #: Whether it is forgotten at once when it has failed.
    collect: bool = False
    #: The switches of switch-to-configuration: X-RestartIfChanged and the like.
    switches: Mapping[str, bool] = field(default_factory=dict)


def template(name: str) -> str:
    """Return the name of the file that describes a unit: that of its template for an instance."""
    return re.sub(r"@[^.]+\.", "@.", name)


def sections(text: str) -> dict[str, list[str]]:
    """Read the assignments of a unit file; an empty value takes the earlier ones back."""
    found: dict[str, list[str]] = {}
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if re.match(r"\s*([#;\[]|$)", line):
            continue
        key, _, value = line.partition("=")
        if not value.strip():
            found[key.strip()] = []
        else:
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def _specifiers(name: str, text: str) -> str:
    found = re.match(r"[^@]+@(.+)\.[a-z]+$", name)
    known = {"%i": found[1] if found else "", "%I": found[1] if found else "", "%n": name, "%%": "%"}
    return re.sub(r"%.", lambda match: known.get(match[0], match[0]), text)


def _commands(values: list[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(shlex.split(value.lstrip("-@:+!"))) for value in values)


def parse(name: str, text: str) -> UnitFile:
    """Read the unit NAME from the text of its file."""
    said = sections(_specifiers(name, text))

    def last(key: str, default: str) -> str:
        return (said.get(key) or [default])[-1]

    def yes(key: str, default: str) -> bool:
        return last(key, default).lower() in {"yes", "true", "on", "1"}

    pairs = (pair.partition("=") for value in said.get("Environment", []) for pair in shlex.split(value))
    output = last("StandardOutput", "journal")
    return UnitFile(
        name=name,
        description=last("Description", name),
        type=last("Type", "simple" if said.get("ExecStart") else "oneshot"),
        commands=_commands(said.get("ExecStart", [])),
        after_stop=_commands(said.get("ExecStopPost", [])),
        environment={key: value for key, _, value in pairs},
        directory=last("WorkingDirectory", "/"),
        output=output.partition(":")[2] if output.startswith(("append:", "file:")) else None,
        remains=yes("RemainAfterExit", "no"),
        restart=last("Restart", "no"),
        restart_after=seconds(last("RestartSec", "100ms")),
        stop_within=seconds(last("TimeoutStopSec", "90s")),
        collect=last("CollectMode", "inactive") == "inactive-or-failed",
        kill_mode=last("KillMode", "control-group"),
        switches={
            "reload": yes("X-ReloadIfChanged", "no"),
            "keep": not yes("X-RestartIfChanged", "yes") or yes("RefuseManualStop", "no"),
            "stop": yes("X-StopIfChanged", "yes"),
            "stay": not yes("X-StopOnRemoval", "yes"),
        },
    )


def with_command(file: UnitFile, command: list[str]) -> UnitFile:
    """Return the unit with COMMAND as the one that it runs."""
    return replace(file, type="exec" if file.type == "oneshot" else file.type, commands=(tuple(command),))


def moved(file: UnitFile, within: Callable[[str], str]) -> UnitFile:
    """Return the unit with every path that it names put WITHIN another root."""
    commands, after_stop = (
        tuple(tuple(map(within, command)) for command in commands) for commands in (file.commands, file.after_stop)
    )
    return replace(
        file,
        commands=commands,
        after_stop=after_stop,
        environment={key: within(value) for key, value in file.environment.items()},
        directory=within(file.directory),
        output=file.output and within(file.output),
    )
