"""What a switch does to the services: the two sets of unit files compared, by the rules of switch-to-configuration."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.standin import units

#: Keys whose change restarts nothing.
_IGNORED = {"Description", "Documentation", "OnFailure", "OnSuccess", "RefuseManualStart", "SourcePath"}


@dataclass
class Changes:
    """The units that a switch stops before the activation, and restarts, reloads and starts after it."""

    stop: set[str] = field(default_factory=set)
    restart: set[str] = field(default_factory=set)
    reload: set[str] = field(default_factory=set)
    start: set[str] = field(default_factory=set)
    #: Changed units that ask to be left alone.
    left: set[str] = field(default_factory=set)


def read(folder: Path) -> dict[str, str]:
    """Return the unit files of a folder, by name."""
    return {path.name: path.read_text() for path in folder.glob("*.service")}


def compare(old: Mapping[str, str], new: Mapping[str, str], active: Collection[str]) -> Changes:
    """Compare the files of the ACTIVE units in the old and the new system."""
    changes = Changes()
    for name in sorted(active):
        file = units.template(name)
        if file not in old or (file in new and _meaning(old[file]) == _meaning(new[file])):
            continue
        if file not in new:
            if not units.parse(name, old[file]).switches["stay"]:
                changes.stop.add(name)
            continue
        _changed(changes, name, units.parse(name, new[file]).switches)
    return changes


def _meaning(text: str) -> dict[str, list[str]]:
    return {key: values for key, values in units.sections(text).items() if key not in _IGNORED}


def _changed(changes: Changes, name: str, switches: Mapping[str, bool]) -> None:
    if switches["reload"]:
        changes.reload.add(name)
    elif switches["keep"]:
        changes.left.add(name)
    elif not switches["stop"]:
        changes.restart.add(name)
    else:
        changes.stop.add(name)
        changes.start.add(name)
