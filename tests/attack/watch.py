"""A host as it looks from outside: all that tells whether somebody has changed it."""

import asyncio
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.standin import flake
from opsbot.standin.machine import Machine

#: What runs on, and is no part of what an attempt could change: the helper's own folders, builds, logs, sockets.
_LIVING = frozenset(
    {"var/lib/opsbot", "nix/store", "nix/var/nix/db", "nix/var/log", "var/log", "run", "srv/git", "tmp", "home"}
)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return what is not as it was before."""
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if str((here / name).relative_to(root)) not in _LIVING]
        yield from (path for name in names if (path := here / name).is_file() and not path.is_symlink())


@dataclass(kw_only=True)
class Watch:
    """Looks at a machine again and again; what has changed is told once."""

    machine: Machine
    #: A file that exists when somebody got a program to run.
    pwned: Path
    units: Collection[str]
    _seen: dict[str, str] = field(default_factory=dict)

    async def changes(self) -> list[str]:
        """Return what is not as it was when it was looked at last."""
        before, self._seen = self._seen, await asyncio.to_thread(self._marks) | await self._processes()
        return changed(before, self._seen)

    def _marks(self) -> dict[str, str]:
        """Read generations, what runs and what the next boot would start, files and repositories."""
        layout, root, found = self.machine.layout, self.machine.root, {"pwned": str(self.pwned.exists())}
        links = [layout.profile, layout.running, layout.boot_default, *layout.profile.parent.glob("system-*-link")]
        found |= {f"link {path.name}": os.path.realpath(path) for path in links}
        found |= {f"file {one.relative_to(root)}": hashlib.sha256(one.read_bytes()).hexdigest() for one in _files(root)}
        repositories = self.machine.repositories
        for repository in (repositories.platform, *repositories.projects.values()):
            found[f"repository {repository.path.name}"] = flake.git("-C", str(repository.path), "for-each-ref").decode()
        return found

    async def _processes(self) -> dict[str, str]:
        shown = await self.machine.ask("show", units=list(self.units))
        return {f"process of {unit}": str(one["MainPID"]) for unit, one in zip(self.units, shown, strict=True)}
