"""The programs of systemd: `systemctl`, `systemd-run`, `journalctl`."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from opsbot.standin import units
from opsbot.standin.control import ask
from opsbot.standin.errors import ControlError
from opsbot.standin.journal import Journal
from opsbot.standin.paths import Layout

#: The exit status of systemctl for a unit that does not exist, and of is-active for one that is not active.
_NO_UNIT, _NOT_ACTIVE = 5, 3


def _print(lines: Sequence[str]) -> None:
    sys.stdout.writelines(line + "\n" for line in lines)


def systemctl(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `systemctl` with the verbs and options that a managed host needs."""
    parser = argparse.ArgumentParser(prog="systemctl", allow_abbrev=False)
    for flag in ("--no-block", "--failed", "--plain", "--no-legend", "--no-pager", "--value", "--all", "--quiet"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--full", "-l", action="store_true")
    parser.add_argument("--property", "-p", action="append", default=[])
    parser.add_argument("--timestamp", default="pretty")
    parser.add_argument("--state", type=lambda words: words.split(","), default=[])
    parser.add_argument("verb")
    parser.add_argument("units", nargs="*")
    asked = parser.parse_intermixed_args(arguments)
    match asked.verb:
        case "start" | "stop" | "restart" as verb:
            return max([_change(layout, verb, unit, wait=not asked.no_block) for unit in asked.units], default=0)
        case "show":
            return _show(layout, asked)
        case "list-units":
            shown = ask(layout, "failed" if asked.failed else "all")
            _print([_row(one) for one in shown if not asked.state or _in(one, asked.state)])
        case "is-active" | "is-failed" as verb:
            return _is(layout, verb.removeprefix("is-"), asked)
        case "status":
            _print([line for one in ask(layout, "show", units=asked.units) for line in status(layout, one)])
        case "reset-failed":
            ask(layout, "reset")
        case "daemon-reload":
            ask(layout, "all")
        case verb:
            sys.stderr.write(f"Unknown command verb {verb}.\n")
            return 1
    return 0


def _change(layout: Layout, verb: str, unit: str, *, wait: bool) -> int:
    more = {"wait": wait} if verb == "start" else {}
    try:
        ask(layout, verb, unit=unit, **more)
    except ControlError as error:
        prefix = f"Failed to {verb} {unit}: " if error.status == _NO_UNIT else ""
        sys.stderr.write(f"{prefix}{error}\n")
        return error.status
    return 0


def _show(layout: Layout, asked: argparse.Namespace) -> int:
    wanted = [name for names in asked.property for name in names.split(",")]
    blocks = []
    for one in ask(layout, "show", units=asked.units):
        entered = one.pop("_entered", "0.0")
        if asked.timestamp == "unix" and one["ActiveEnterTimestamp"]:
            one["ActiveEnterTimestamp"] = f"@{float(entered):.0f}"
        pairs = [(key, value) for key, value in one.items() if not wanted or key in wanted]
        blocks.append("\n".join(value if asked.value else f"{key}={value}" for key, value in pairs))
    _print(["\n\n".join(blocks)])
    return 0


def _in(one: dict[str, str], states: Sequence[str]) -> bool:
    return bool({one["LoadState"], one["ActiveState"], one["SubState"]}.intersection(states))


def _row(one: dict[str, str]) -> str:
    return f"{one['Id']} {one['LoadState']} {one['ActiveState']} {one['SubState']} {one['Description']}"


def _is(layout: Layout, state: str, asked: argparse.Namespace) -> int:
    found = [one["ActiveState"] for one in ask(layout, "show", units=asked.units)]
    if not asked.quiet:
        _print(found)
    return 0 if state in found else _NOT_ACTIVE


def status(layout: Layout, one: dict[str, str]) -> list[str]:
    """Return the lines of `systemctl status` for a unit that was shown."""
    if one["LoadState"] == "not-found":
        return [f"Unit {one['Id']} could not be found."]
    mark = "\u00d7" if one["ActiveState"] == "failed" else "\u25cf"
    since = f" since {one['ActiveEnterTimestamp']}" if one["ActiveEnterTimestamp"] else ""
    result = f" (Result: {one['Result']})" if one["ActiveState"] == "failed" else f" ({one['SubState']})"
    lines = [
        f"{mark} {one['Id']} - {one['Description']}",
        f"     Loaded: loaded (/etc/systemd/system/{units.template(one['Id'])}; enabled; preset: ignored)",
        f"     Active: {one['ActiveState']}{result}{since}",
    ]
    journal = Journal(layout)
    return [*lines, "", *journal.show(journal.read(one["Id"], 10), "short"), ""]


def systemd_run(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `systemd-run`: a transient unit, at once or after `--on-active`."""
    parser = argparse.ArgumentParser(prog="systemd-run", allow_abbrev=False)
    for flag in ("--no-ask-password", "--quiet", "--collect", "--no-block"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--unit", required=True)
    parser.add_argument("--description", default="")
    parser.add_argument("--on-active", type=units.seconds)
    parser.add_argument("--timer-property", action="append", default=[])
    parser.add_argument("--property", "-p", action="append", default=[])
    parser.add_argument("--setenv", "-E", action="append", default=[])
    parser.add_argument("--service-type", default="simple")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args(arguments)
    unit = asked.unit.removesuffix(".service") + ".service"
    _transient(layout, unit, asked)
    if not asked.quiet:
        sys.stderr.write(f"Running {'timer' if asked.on_active is not None else 'as unit'}: {unit}\n")
    return 0


def _transient(layout: Layout, unit: str, asked: argparse.Namespace) -> None:
    description = asked.description or " ".join(asked.command)
    lines = ["[Unit]", f"Description={description}", "[Service]", f"Type={asked.service_type}", *asked.property]
    lines += [f'Environment="{pair}"' for pair in asked.setenv]
    arguments: dict[str, Any] = {"text": "\n".join(lines), "command": asked.command, "after": asked.on_active}
    try:
        ask(layout, "transient", unit=unit, **arguments)
    except ControlError as error:
        kind = "timer" if asked.on_active is not None else "service"
        raise ControlError(f"Failed to start transient {kind} unit: {error}", error.status) from error


def journalctl(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `journalctl`: the last lines of a unit or of all."""
    parser = argparse.ArgumentParser(prog="journalctl", allow_abbrev=False)
    parser.add_argument("--unit", "-u")
    parser.add_argument("--lines", "-n", type=int)
    parser.add_argument("--output", "-o", default="short")
    parser.add_argument("--no-pager", action="store_true")
    asked = parser.parse_args(arguments)
    journal = Journal(layout)
    _print(journal.show(journal.read(asked.unit, asked.lines), asked.output) or ["-- No entries --"])
    return 0
