"""Two built systems compared file by file, running nothing of either."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

_STORE = re.compile(rb"/[A-Za-z0-9._/+-]{0,255}?/?[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]+")
_HASH = re.compile(rb"[0-9a-df-np-sv-z]{32}-")

#: What the helper's own module writes, and what follows from the pins alone.
DERIVED = frozenset({"etc/opsbot/pins.json"})
UNITS = "etc/systemd/system"
#: How the names of the unit files end that are read there.
ENDINGS = (".service", ".socket", ".timer", ".target", ".path", ".mount", ".swap", ".slice", ".automount")
_KERNEL = ("kernel", "initrd", "kernel-modules", "kernel-params")
_WHOLE = ("activate", "bin/switch-to-configuration", "systemd")


def leaves(system: Path, top: str) -> dict[str, Path]:
    """Return every file below a folder of a system by its name within it; links to folders are gone into."""
    return dict(_walk(system / top, top, frozenset()))


def _walk(folder: Path, name: str, above: frozenset[str]) -> Iterator[tuple[str, Path]]:
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path, inner = Path(entry.path), f"{name}/{entry.name}"
        # Of os.path: a link that leads in a circle, or where one may not look, is a text and no error.
        if os.path.isdir(path) and _inside(path):  # noqa: PTH112 - see above
            yield from _walk(path, inner, above | {real})
        else:
            yield inner, path


def _inside(path: Path) -> bool:
    """Say whether a link stays within what was built: one that leads into the running host is only a text."""
    return not path.is_symlink() or bool(_HASH.search(os.path.realpath(path).encode()))


def _content(path: Path) -> bytes:
    target = path.readlink() if path.is_symlink() else None
    if target is not None and not (os.path.exists(path) and _inside(path)):  # noqa: PTH110 - see above
        return b"link " + os.fsencode(target)
    if not os.path.isfile(path):  # noqa: PTH113 - see above
        return b"folder"
    return path.read_bytes()


@dataclass(frozen=True)
class Comparison:
    """Compares files by meaning: another hash of the same store name is no change, unless what it names differs."""

    seen: dict[tuple[str, str], bool] = field(default_factory=dict)

    def same(self, old: Path, new: Path) -> bool:
        """Say whether two files mean the same."""
        pair = (os.path.realpath(old), os.path.realpath(new))
        if pair[0] == pair[1] and os.path.exists(old):  # noqa: PTH110 - see above
            return True
        if pair not in self.seen:
            self.seen[pair] = True
            self.seen[pair] = self._same(old, new)
        return self.seen[pair]

    def _same(self, old: Path, new: Path) -> bool:
        before, after = _content(old), _content(new)
        if before == after:
            return True
        if _HASH.sub(b"", before) != _HASH.sub(b"", after):
            return False
        pairs = set(zip_longest(_STORE.findall(before), _STORE.findall(after), fillvalue=b""))
        return all(self._names_same(a, b) for a, b in pairs if a != b)

    def _names_same(self, old: bytes, new: bytes) -> bool:
        """Judge two store paths of one name: a file that is a store path of its own is configuration, so it counts."""
        first, second = Path(os.fsdecode(old)), Path(os.fsdecode(new))
        if not (first.is_file() and second.is_file()):
            return first.is_file() == second.is_file()
        return self.same(first, second)


def changed_files(old: Path, new: Path) -> list[str]:
    """Return the names of the files of two systems that differ, less the system's units and what follows from pins."""
    before, after = leaves(old, "etc"), leaves(new, "etc")
    compare = Comparison()
    names = {
        name
        for name in before.keys() | after.keys()
        if name not in DERIVED and not _of_a_unit(name, before, after)
        if name not in before or name not in after or not compare.same(before[name], after[name])
    }
    for name in _WHOLE:
        if (old / name).exists() != (new / name).exists() or (
            (old / name).exists() and not _same_whole(compare, old / name, new / name)
        ):
            names.add(name)
    before_bin, after_bin = programs(old), programs(new)
    names |= {
        f"sw/bin/{name}" for name in before_bin.keys() | after_bin.keys() if before_bin.get(name) != after_bin.get(name)
    }
    return sorted(names)


def _of_a_unit(name: str, *systems: Mapping[str, Path]) -> bool:
    """Say whether a file is compared as part of a unit: the unit's own, a link to one, or a drop-in of one.

    Drop-ins for a whole kind (`service.d`), a family (`x-.service.d`) or an instance are of no unit that is there.
    """
    folder, _, file = name.removeprefix(f"{UNITS}/").partition("/")
    if not name.startswith(f"{UNITS}/"):
        return False
    if not file or folder.endswith((".wants", ".requires")):
        return bool(file) or folder.endswith(ENDINGS)
    unit = f"{UNITS}/{folder.removesuffix('.d')}"
    return folder.endswith(".d") and all(unit in files for files in systems if name in files)


def programs(system: Path) -> dict[str, bytes]:
    """Return the programs of a system with what each leads to, store hashes taken out; a file of its own is empty."""
    try:
        entries = list(os.scandir(system / "sw/bin"))
    except OSError:
        return {}
    return {
        entry.name: _HASH.sub(b"", os.fsencode(Path(entry.path).readlink())) if entry.is_symlink() else b""
        for entry in entries
    }


def _same_whole(compare: Comparison, old: Path, new: Path) -> bool:
    if old.is_dir():
        return os.path.realpath(old) == os.path.realpath(new)
    return compare.same(old, new)


def kernel_changed(old: Path, new: Path) -> bool:
    """Say whether the new system boots something else than the old one."""
    return any(_boot_part(old / name) != _boot_part(new / name) for name in _KERNEL)


def _boot_part(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        return os.fsencode(os.path.realpath(path)) if path.exists() else b""
    return path.read_bytes()
