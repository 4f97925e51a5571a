import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsbot.standin import flake
from opsbot.standin.machine import Machine
from opsbot.standin.server import base_environment


async def eventually(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 -- what is waited for is another process's
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Said:
    """How a program ended and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Console:
    """Somebody who sits at a machine and types."""

    machine: Machine

    async def run(self, *command: str | Path, cwd: Path | None = None) -> Said:
        """Run a program of the machine."""
        process = await asyncio.create_subprocess_exec(
            *map(str, (self.machine.layout.bin / command[0], *command[1:])),
            cwd=cwd or self.machine.root,
            env=base_environment(self.machine.layout),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def build(self, commit: str, folder: Path, *, host: str = "ops-jrz1") -> Said:
        """Build the system of a platform's commit, as `nixos-rebuild` does."""
        reference = f"git+{self.machine.repositories.platform.url}?rev={commit}#{host}"
        return await self.run("nixos-rebuild", "build", "--flake", reference, *_FLAGS, cwd=folder)

    async def switch(self, system: Path, action: str = "test") -> Said:
        """Run a system's own `switch-to-configuration`."""
        return await self.run(system / "bin/switch-to-configuration", action)

    def pin(self, project: str, commit: str, **changes: Any) -> str:
        """Commit a platform that has everything as it is deployed, but a project at COMMIT."""
        team = self.machine.repositories
        lock = json.loads(team.platform.read("flake.lock", team.deployed[-1][0]))
        pins = {name: flake.locked_ref(lock, name).rev or "" for name in team.projects}
        return team.pin(self.machine.store, f"Pin {project}", pins | {project: commit}, **changes)


_FLAGS = ("--fast", "--no-update-lock-file", "--print-build-logs")
