"""A deploy without the bot: the same verbs over SSH, one after the other, as fast as the host allows."""

import time
from types import TracebackType
from typing import Self
from uuid import uuid4

from opsbot.model import Json
from opsbot.ssh import Address, SshHost
from opsbot.standin.machine import Machine

_BAD = frozenset({"failed", "cancelled", "reverted", "refused", "stuck", "lost", "rebooted", "unchanged"})


class ByHand:
    """Somebody at a terminal who types without pause."""

    def __init__(self, machine: Machine) -> None:
        key = machine.client_key.read_text()
        address = Address(address="127.0.0.1", port=machine.port, user=machine.user, key=key, host_key=machine.host_key)
        self.host = SshHost(machine.host, address)

    async def __aenter__(self) -> Self:
        await self.host.ask("facts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.host.close()

    async def deploy(self, project: str) -> float:
        """Put the newest revision of a project on the host; return the seconds that it took."""
        began, job = time.monotonic(), _new()
        await self.host.ask("prepare", {"job": job, "project": project, "revision": "main", "note": "by hand"})
        built = await self._until("built", job, "prepare")
        await self.host.ask("plan", {"job": job})
        await self.host.ask("activate", {"job": job, "base": built["base"]})
        await self._finish(job)
        return time.monotonic() - began

    async def rollback(self) -> float:
        """Go back to the generation that was proved before; return the seconds that it took."""
        began, job = time.monotonic(), _new()
        generations = await self.host.ask("generations")
        running = next(one for one in generations if one["running"])
        wanted = next(one for one in generations if one["proved"] and one["generation"] < running["generation"])
        number = wanted["generation"]
        await self.host.ask("plan", {"generation": number})
        await self.host.ask("rollback", {"job": job, "base": running["system"], "generation": number})
        await self._finish(job)
        return time.monotonic() - began

    async def _finish(self, job: str) -> None:
        await self._until("waiting", job, "activate")
        await self.host.ask("confirm", {"job": job})
        await self._until("committed", job, "activate")
        await self.host.ask("publish", {"job": job})
        await self._until("published", job, "publish")

    async def _until(self, end: str, job: str, part: str) -> Json:
        """Follow a part of the job until it has come to an END; return its state. Raises RuntimeError."""
        while True:
            async for _ in self.host.follow(job, part, 0, seconds=20):
                pass
            state = (await self.host.ask("state", {"job": job}))[part]
            if state["status"] == end:
                return state
            if state["status"] in _BAD:
                raise RuntimeError(f"{part} ended as {state['status']}: {state}")


def _new() -> str:
    return "b" + uuid4().hex[:15]
