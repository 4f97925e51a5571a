"""What activating a system would change, by reading: nothing of the new system runs."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from opsbot.onhost import hazards, nix, systemd, trees, units
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.run import must, run
from opsbot.onhost.state import built, real
from opsbot.onhost.systems import commit_of_running, generation_link, ledger, pins_of

_DISKS = ("/", "/nix", "/boot")


def disks() -> dict[str, dict[str, int]]:
    """Return total and free bytes of the disks that a deploy fills, those that the host has."""
    found = {}
    for name in _DISKS:
        if Path(name).is_dir():
            space = os.statvfs(name)
            found[name] = {"total": space.f_blocks * space.f_frsize, "free": space.f_bavail * space.f_frsize}
    return found


def unit_changes(old: Path, new: Path) -> units.Changes:
    """Return what switching between two systems does to the units, given which of them run now."""
    before, after = units.read_units(old), units.read_units(new)
    wants = (units.read_wants(old), units.read_wants(new))
    names = {
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or before[name] != after[name]
    }
    names |= {name for pair in wants[0] ^ wants[1] for name in pair}
    active = {name for name, unit in systemd.show(sorted(names)).items() if unit["active"] in systemd.RUNNING}
    return units.changes(before, after, wants, active)


def touched(old: Path, new: Path, effects: units.Changes) -> frozenset[str]:
    """Return every unit that a switch between two systems changes or moves, and those that fall with them.

    One that has changed counts though it does not run: a switch starts what the targets want. A unit of the network
    touches them all, for everything is reached over it.
    """
    known = {**units.read_units(old), **units.read_units(new)}
    links = units.read_links(old, "requires") | units.read_links(new, "requires")
    reached = units.depending(known, {*effects.touched(), *effects.changed}, links)
    return reached.union(known) if units.of_network(known, reached) else reached


def moves(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str | None]]:
    """Return the pins that differ, each with its old and its new commit."""
    names = sorted(before.keys() | after.keys())
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}


def _own_units(config: Config, moved: Collection[str]) -> frozenset[str]:
    """Return the units that are listed for the projects that move."""
    return frozenset(unit for name in moved if name in config.projects for unit in config.projects[name].units)


def plan(config: Config, job: str | None, generation: int | None) -> dict[str, Any]:
    """Return the plan for a job's build or for a recorded generation; one of the two must be given."""
    if (job is None) == (generation is None):
        raise HostError("bad-request", "A plan is for a job or for a generation.")
    running = real(config.running)
    base_pins = pins_of(config, commit_of_running(config), running)
    if generation is not None:
        system = real(generation_link(config, generation))
        entry = ledger(config).entry(generation, system)
        pins = pins_of(config, entry.commit if entry else None, system)
        moved = moves(base_pins, pins) if pins else {}
        return {**_read(config, running, system, _own_units(config, moved)), "commits": [], "moves": moved}
    result = built(config, str(job))
    moved = moves(result["base_pins"], result["pins"])
    read = _read(config, result["base"], result["system"], _own_units(config, moved))
    return {**read, "commits": result["commits"], "moves": moved}


def _as_text(names: Iterable[str]) -> list[str]:
    """Return names of files as text that can be sent on: they may be any bytes."""
    return [os.fsencode(name).decode("utf-8", "replace") for name in names]


def _read(config: Config, base: str, system: str, own: Collection[str]) -> dict[str, Any]:
    old, new, booted = Path(base), Path(system), Path(real(config.booted))
    if not (old.is_dir() and new.is_dir()):
        raise HostError("not-ready", "One of the two systems is no longer in the store.")
    effects = unit_changes(old, new)
    closure = nix.parse_diff(must(run(nix.diff_closures(base, system), within=60)))
    kernel = trees.kernel_changed(old, new)
    changed = [*effects.changed, *trees.changed_files(old, new), *(["kernel"] if kernel else [])]
    differ = sorted({*changed, *effects.touched()})
    return {
        "system": system,
        "base": base,
        "closure": closure,
        "units": {name: list(getattr(effects, name)) for name in ("stop", "start", "restart", "reload")},
        "touched": _as_text(sorted(touched(old, new, effects))),
        "own": [name for name in differ if name in own],
        "foreign": _as_text(name for name in differ if name not in own),
        "kernel_changed": kernel,
        "reboot_needed": booted.is_dir() and trees.kernel_changed(booted, new),
        "hazards": [hazard.as_json() for hazard in (*hazards.databases(old, new), *hazards.kernel(booted, new))],
        "free": {name: space["free"] for name, space in disks().items()},
    }
