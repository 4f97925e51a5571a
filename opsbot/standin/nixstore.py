"""A Nix store in a folder: paths named by what they were made of, their references and their hashes."""

import base64
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from opsbot.standin.errors import NixError
from opsbot.standin.paths import Layout, link, write

ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
_HASH_BYTES = 20


def base32(data: bytes) -> str:
    """Write bytes the way Nix does: its own alphabet, last digit first."""
    number = int.from_bytes(data, "little")
    length = (len(data) * 8 + 4) // 5
    return "".join(ALPHABET[number >> 5 * at & 31] for at in reversed(range(length)))


def _pack(*words: bytes) -> bytes:
    return b"".join(len(word).to_bytes(8, "little") + word + b"\0" * (-len(word) % 8) for word in words)


def _nar(path: Path) -> bytes:
    if path.is_symlink():
        return _pack(b"(", b"type", b"symlink", b"target", str(path.readlink()).encode(), b")")
    if path.is_file():
        executable = (b"executable", b"") if os.access(path, os.X_OK) else ()
        return _pack(b"(", b"type", b"regular", *executable, b"contents", path.read_bytes(), b")")
    entries = (
        _pack(b"entry", b"(", b"name", name.encode(), b"node") + _nar(path / name) + _pack(b")")
        for name in sorted(one.name for one in path.iterdir())
    )
    return _pack(b"(", b"type", b"directory") + b"".join(entries) + _pack(b")")


def nar_hash(path: Path) -> str:
    """Return the hash that flake.lock keeps of a tree."""
    digest = hashlib.sha256(_pack(b"nix-archive-1") + _nar(path)).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def split_name(path: Path) -> tuple[str, str]:
    """Split a store path into name and version, at the first dash before a digit."""
    name = path.name[33:]
    found = re.match(r"(.+?)-(\d.*)$", name)
    return (found[1], found[2]) if found else (name, "")


def _size(path: Path) -> int:
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(map(_size, path.iterdir()))


@dataclass(frozen=True)
class Store:
    """The store of a stand-in machine."""

    layout: Layout

    def path(self, name: str, *made_of: str) -> Path:
        """Return the path of what has this name and is made of these texts."""
        digest = hashlib.sha256("\0".join([str(self.layout.store), name, *made_of]).encode()).digest()
        return self.layout.store / f"{base32(digest[:_HASH_BYTES])}-{name}"

    def _record(self, path: Path) -> Path:
        return self.layout.database / f"{path.name}.json"

    def valid(self, path: Path) -> bool:
        """Say whether the store has PATH."""
        return path.parent == self.layout.store and self._record(path).exists()

    def realise(self, path: Path, build: Callable[[Path], None], references: Iterable[Path] = ()) -> Path:
        """Let BUILD fill a fresh folder that becomes PATH, unless the store has it; return PATH."""
        if self.valid(path):
            return path
        fresh = Path(tempfile.mkdtemp(prefix=".building-", dir=self.layout.store))
        try:
            fresh.chmod(0o755)
            build(fresh)
            shutil.rmtree(path, ignore_errors=True)
            fresh.rename(path)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        record = {"references": sorted(str(one) for one in references), "size": _size(path)}
        write(self._record(path), json.dumps(record))
        return path

    def closure(self, path: Path) -> dict[Path, int]:
        """Return every path that PATH needs, itself included, with its size in bytes."""
        found: dict[Path, int] = {}
        waiting = [path]
        while waiting:
            one = waiting.pop()
            if one in found:
                continue
            if not self.valid(one):
                raise NixError(f"path '{one}' is not valid")
            record = json.loads(self._record(one).read_text())
            found[one] = record["size"]
            waiting += map(Path, record["references"])
        return found

    def keep(self, root: Path) -> None:
        """Remember that the link ROOT keeps its path from being collected."""
        link(self.layout.root / "nix/var/nix/gcroots/auto" / self.path("root", str(root)).name[:32], root)

    def need(self, path: Path) -> Path:
        """Return the store path that PATH is or leads to; raises NixError if the store does not have it."""
        resolved = Path(os.path.realpath(path))
        if not self.valid(resolved):
            raise NixError(f"build of '{path}' failed")
        return resolved


def differences(old: dict[Path, int], new: dict[Path, int]) -> list[str]:
    """Compare two closures, in the lines of `nix store diff-closures` (with its colours)."""
    lines = []
    groups = {name for name, _ in map(split_name, [*old, *new])}
    for name in sorted(groups):
        before, after = _versions(name, old), _versions(name, new)
        gone, come = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
        delta = sum(after.values()) - sum(before.values())
        shown = abs(delta) >= 8 * 1024
        parts = []
        if gone or come:
            parts.append(f"{_show(gone)} → {_show(come)}")
        if shown:
            parts.append(f"\x1b[{31 if delta > 0 else 32};1m{delta / 1024:+.1f} KiB\x1b[0m")
        if parts:
            lines.append(f"{name}: {', '.join(parts)}")
    return lines


def _versions(name: str, closure: dict[Path, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path, size in closure.items():
        one, version = split_name(path)
        if one == name:
            found[version] = found.get(version, 0) + size
    return found


def _show(versions: list[str]) -> str:
    return ", ".join(version or "ε" for version in versions) or "∅"
