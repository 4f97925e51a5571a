"""What going from one system to another does that going back does not undo; read from the two, running neither.

The version of a service is the one in the store path of the program that its unit runs, as in
`ExecStart=/nix/store/…-forgejo-7.0.12/bin/forgejo web`, or in the script that the unit runs. A package without a
version in its name, and a program that is found in another way, are not seen.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from opsbot.onhost import units
from opsbot.onhost.units import Unit

#: Not more of a path before its hash than paths have, or a unit full of slashes would take hours.
_PROGRAM = re.compile(r"/[^\s\"'=:;]{0,255}?[0-9a-df-np-sv-z]{32}-([A-Za-z0-9+._?=-]+)/bin/([A-Za-z0-9+._-]+)")
_VERSION = re.compile(r"(.+?)-([0-9].*)")
_PARTS = re.compile(r"[0-9]+|[a-z]+")
#: Bytes of a script that are read.
_SCRIPT = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class _Family:
    """Programs that keep one kind of database, which goes forward only."""

    what: str
    packages: re.Pattern[str]
    programs: re.Pattern[str]
    #: How many numbers of the version tell whether the database differs; 0 means all of it.
    numbers: int


_FAMILIES = (
    # Another major version does not even open the files of this one.
    _Family(
        what="PostgreSQL",
        packages=re.compile(r"postgresql(-and-plugins)?"),
        programs=re.compile(r"\.?postgres(-wrapped)?"),
        numbers=1,
    ),
    # 7.0.12 and 7.0.13 have the same tables, 7.0 and 8.0 do not.
    _Family(
        what="Forgejo",
        packages=re.compile(r"(forgejo|gitea)(-lts)?"),
        programs=re.compile(r"forgejo|gitea"),
        numbers=2,
    ),
    _Family(
        what="the homeserver",
        packages=re.compile(r"(matrix-)?(conduwuit|conduit|continuwuity|tuwunel|synapse|dendrite)(-(un)?wrapped)?"),
        programs=re.compile(r".+"),
        numbers=0,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """One thing that does not go back with the system."""

    #: `database` or `kernel`.
    kind: str
    what: str
    old: str
    new: str
    #: Whether this is a step back; None where two names do not say.
    back: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return it as a plan tells it."""
        return asdict(self)


@dataclass(frozen=True, order=True)
class Program:
    """A package and its version."""

    package: str
    version: str

    def differs(self, other: "Program", numbers: int) -> bool:
        """Say whether another program reads another database, by so many NUMBERS of its version."""
        mine, theirs = (_parts(one.version)[: numbers or None] for one in (self, other))
        return self.package != other.package or mine != theirs

    def shown(self, beside: "Program") -> str:
        """Return the version, with the package's name where it stands BESIDE another package."""
        return self.version if self.package == beside.package else f"{self.package} {self.version}"


def _parts(version: str) -> tuple[tuple[int, int, str], ...]:
    """Split a version so that it can be compared: letters before the end, the end before numbers."""
    found = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in _PARTS.findall(version.lower())]
    return (*found, (1, 0, ""))


def is_older(version: str, than: str) -> bool:
    """Say whether a version comes before another: 0.5.0-rc.8 before 0.5.0, 7.0.9 before 7.0.12."""
    return _parts(version) < _parts(than)


def _lines(unit: Unit) -> Iterator[str]:
    """Yield what a unit runs, and the text of the scripts among it."""
    for key, values in unit.get("Service", {}).items():
        for value in values if key.startswith("Exec") else ():
            yield value
            yield from (script for found in _PROGRAM.finditer(value) if (script := _script(Path(found[0]))))


def _script(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_SCRIPT)
    except OSError:
        return ""
    return text.decode("utf-8", "replace") if text.startswith(b"#!") else ""


def _programs(found: dict[str, Unit], family: _Family) -> dict[str, Program]:
    """Return the first program of a family that each unit runs."""
    programs: dict[str, Program] = {}
    for name, unit in found.items():
        for line in _lines(unit):
            for package, program in _PROGRAM.findall(line):
                version = _VERSION.fullmatch(package)
                if version and family.packages.fullmatch(version[1]) and family.programs.fullmatch(program):
                    programs.setdefault(name, Program(version[1], version[2]))
    return programs


def _pairs(before: dict[str, Program], after: dict[str, Program]) -> set[tuple[Program, Program]]:
    """Pair what each unit ran with what it will run; one unit that goes and one that comes are the same thing."""
    pairs = {(before[name], after[name]) for name in before.keys() & after.keys()}
    gone, come = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    return pairs | {(before[old], after[new]) for old, new in zip(gone, come, strict=False)}


def databases(old: Path, new: Path) -> list[Hazard]:
    """Return the databases that another version would migrate, or would find migrated."""
    before, after = units.read_units(old), units.read_units(new)
    found = []
    for family in _FAMILIES:
        for was, becomes in sorted(_pairs(_programs(before, family), _programs(after, family))):
            if was.differs(becomes, family.numbers):
                back = is_older(becomes.version, was.version) if was.package == becomes.package else None
                texts = {"old": was.shown(becomes), "new": becomes.shown(was)}
                found.append(Hazard(kind="database", what=family.what, **texts, back=back))
    return found


def kernel(booted: Path, new: Path) -> list[Hazard]:
    """Return the hazard of running a system on another kernel than its own: that of the boot."""
    old, become = (Path(os.path.realpath(system / "kernel")) for system in (booted, new))
    if not booted.is_dir() or old == become or not become.exists():
        return []
    was, becomes = (_VERSION.fullmatch(path.parent.name) for path in (old, become))
    texts = {"old": was[2] if was else "", "new": becomes[2] if becomes else ""}
    return [Hazard(kind="kernel", what="the kernel", **texts, back=None)]
