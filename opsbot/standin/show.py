"""What systemd tells of a unit: the properties of `systemctl show`, and the lists and the status made of them."""

import time

from opsbot.standin.manager import Manager, UnitError
from opsbot.standin.unit import Unit


def stamp(at: float) -> str:
    """Write a time the way systemd does; 0 is no time."""
    return time.strftime("%a %Y-%m-%d %H:%M:%S %Z", time.localtime(at)) if at else ""


def _missing(name: str) -> dict[str, str]:
    return {
        "Id": name,
        "Names": name,
        "LoadState": "not-found",
        "ActiveState": "inactive",
        "SubState": "dead",
        "ActiveEnterTimestamp": "",
        "Result": "success",
        "Description": name,
    }


def _timer(name: str, left: float) -> dict[str, str]:
    return _missing(name) | {
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "waiting",
        "NextElapseUSecMonotonic": f"{left:.0f}s",
        "Transient": "yes",
    }


def _unit(unit: Unit) -> dict[str, str]:
    return {
        "Id": unit.name,
        "Names": unit.name,
        "LoadState": "loaded",
        "ActiveState": unit.active,
        "SubState": unit.sub,
        "ActiveEnterTimestamp": stamp(unit.since),
        "Result": unit.result,
        "ExecMainStatus": str(unit.exit_status),
        "MainPID": str(unit.pid),
        "NRestarts": str(unit.restarts),
        "Description": unit.file.description,
        "Type": unit.file.type,
        "Transient": "yes" if unit.transient else "no",
        "_entered": str(unit.since),
    }


def properties(manager: Manager, name: str) -> dict[str, str]:
    """Return the properties of a unit, loaded or not."""
    if name in manager.timers:
        return _timer(name, manager.timers[name].due - time.monotonic())
    try:
        return _unit(manager.load(name))
    except UnitError:
        return _missing(name)
