"""Ask a machine's helper the way sshd does, and wait for what a job becomes."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsbot.onhost.config import load
from opsbot.onhost.state import job_state
from opsbot.standin.machine import Machine
from opsbot.standin.server import base_environment

ENDED = ("committed", "staged", "reverted", "rebooted", "refused", "stuck")
_PATIENCE = 60.0


class SaidNoError(Exception):
    """The host said no."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True)
class Bench:
    """A machine and what a test asks of it."""

    machine: Machine

    @property
    def state(self) -> Path:
        """The folder below which the host keeps its jobs."""
        return self.machine.root / "var/lib/opsbot"

    async def lines(self, verb: str, data: bytes) -> list[Any]:
        """Run the forced command with the bytes of the arguments and return the lines of the answer."""
        layout = self.machine.layout
        process = await asyncio.create_subprocess_exec(
            str(layout.running / "sw/bin/opsbot-host"),
            "--config",
            str(layout.host_json),
            "ssh",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**base_environment(layout), "SSH_ORIGINAL_COMMAND": verb},
        )
        out, _ = await process.communicate(data)
        return [json.loads(line) for line in out.splitlines()]

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """Ask one verb; SaidNoError when the host says no."""
        last = (await self.lines(verb, json.dumps(arguments).encode()))[-1]
        if not last["ok"]:
            raise SaidNoError(**last["error"])
        return last["result"]

    def part(self, job: str, part: str) -> Any:
        """Return a part of a job, or None; read where the helper reads: asking it costs a process."""
        return job_state(load(self.machine.host_json), job)[part]

    async def until(self, job: str, part: str, *statuses: str, within: float = _PATIENCE) -> Any:
        """Wait until a part of a job has one of the statuses, and return that part."""
        async with asyncio.timeout(within):
            while True:
                found = self.part(job, part)
                if found is not None and found["status"] in statuses:
                    return found
                await asyncio.sleep(0.05)

    async def hangs(self, program: str) -> None:
        """Wait until a program that was made to hang has been called."""
        async with asyncio.timeout(_PATIENCE):
            while (self.machine.layout.faults / f"{program}.json").exists():  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.02)

    async def prepare(self, job: str, project: str = "hello-bot", **more: Any) -> Any:
        """Build, and return how that ended."""
        await self.ask("prepare", job=job, project=project, **more)
        return await self.until(job, "prepare", "built", "unchanged", "failed", "cancelled", "lost")

    async def waiting(self, job: str, **more: Any) -> Any:
        """Build and activate, and return the activation when it waits or has ended."""
        built = await self.prepare(job, **more)
        await self.ask("activate", job=job, base=built["base"])
        return await self.until(job, "activate", "waiting", *ENDED)

    async def deploy(self, job: str, **more: Any) -> Any:
        """Build, activate, confirm and publish; return the job's state."""
        await self.waiting(job, **more)
        await self.ask("confirm", job=job)
        await self.until(job, "activate", "committed")
        await self.ask("publish", job=job)
        await self.until(job, "publish", "published", "failed")
        return await self.ask("state", job=job)

    def default(self) -> Path:
        """Return the system that the profile names."""
        return Path(os.path.realpath(self.machine.layout.profile))

    def record(self, job: str) -> Any:
        """Return root's own file about a job."""
        return json.loads((self.state / "jobs" / job / "state.json").read_text())

    def log(self, job: str, part: str = "activate") -> str:
        """Return the log of a part of a job."""
        return (self.state / ("builds" if part == "prepare" else "jobs") / job / "log").read_text()

    def change(self, **keys: Any) -> None:
        """Change the host's configuration."""
        path = self.machine.host_json
        said = json.loads(path.read_text())
        path.write_text(json.dumps({**said, **keys}))

    def change_project(self, name: str, **keys: Any) -> None:
        """Change the entry of one project in the host's configuration."""
        said = json.loads(self.machine.host_json.read_text())["projects"]
        self.change(projects={**said, name: {**said[name], **keys}})

    async def pid(self, unit: str) -> int:
        """Return the main process of a unit."""
        (shown,) = await self.machine.ask("show", units=[unit])
        return int(shown["MainPID"])
