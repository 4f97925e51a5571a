"""A host in memory whose work is done by units, which take time and may die, and which is reached over a wire."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from opsbot.errors import HostError, HostUnreachableError
from opsbot.model import Json
from opsbot.ports import Clock
from opsbot.testing.host import FakeHost

#: The ends of an activation, and where a part of a job is while a process works on it.
ENDED = frozenset({"committed", "reverted", "rebooted", "refused", "stuck"})
AT_WORK = frozenset({"running", "arming", "activating", "proving", "committing", "reverting"})
#: Seconds: for each way over the wire, between two looks of the host, between two signs of life.
_WIRE, POLL, _BEAT = 0.02, 0.2, 5.0
#: Seconds for which a silent wire is listened to.
_SILENCE = 15.0


class UnitHost(FakeHost):
    """One host; what it never should have done is in `wrong`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.now = lambda: clock.now().timestamp()
        #: Whether a wire that is cut says nothing, where it would else refuse at once.
        self.silent = False
        #: How many cuts of the wire are not mended yet.
        self.cuts = 0
        #: The units that run, by job and part.
        self.units: dict[tuple[str, str], asyncio.Task[None]] = {}
        #: The dead men that are armed, by job.
        self.deadmen: dict[str, asyncio.Task[None]] = {}
        #: What each job was asked for, by verb.
        self.requests: dict[str, dict[str, Json]] = {}
        self.wrong: list[str] = []

    async def _cross(self, patience: float) -> None:
        await asyncio.sleep(_WIRE)
        if self.away:
            await asyncio.sleep(patience if self.silent else 0.0)
            raise HostUnreachableError(f"{self.name} cannot be reached: the wire is cut.")

    async def ask(self, verb: str, arguments: Mapping[str, Json] | None = None, *, within: float = 30.0) -> Json:
        """Answer one verb; the wire may be cut before the work is done, or before it is heard of."""
        await self._cross(within)
        try:
            answer: Json = await super().ask(verb, arguments, within=within)
        except HostError as error:
            answer = error
        await self._cross(within)
        if isinstance(answer, HostError):
            raise answer
        return answer

    async def follow(self, job: str, log: str, offset: int, *, seconds: int = 60) -> AsyncIterator[Json]:
        """Yield the log and signs of life until the part has ended, waits for the bot, or the time is up."""
        await self._cross(_SILENCE)
        until, beat = self.now() + seconds, self.now() + _BEAT
        if log == "prepare" and offset == 0:
            yield {"offset": 0, "next": len(self.log), "text": self.log}
        while True:
            state = self.state({"job": job})
            if (state[log] or {}).get("status") not in AT_WORK or self.now() > until:
                yield {"state": state}
                return
            if self.now() > beat:
                beat = self.now() + _BEAT
                yield {"beat": self.now()}
            await asyncio.sleep(POLL)
            await self._cross(_SILENCE)

    def state(self, given: Json) -> Json:
        """Return the state of a job, with what has died."""
        job = given["job"]
        if job not in self.jobs:
            raise HostError(f"This host knows no job {job}.", code="unknown")
        parts = {part: self._seen(job, part) for part in ("prepare", "activate", "publish")}
        return {**parts, "console": self.jobs[job].get("console")}

    def _seen(self, job: str, part: str) -> Json:
        known = self.jobs[job].get(part)
        if known is None or known.get("status") not in AT_WORK | {"waiting"} or (job, part) in self.units:
            return known
        if part == "activate" and known["boot_id"] != self.boots and not known.get("committing"):
            return {**known, "status": "rebooted", "why": "The host was rebooted before the commit."}
        return {**known, "status": "lost", "was": known["status"]}

    def status(self, job: str, part: str) -> str:
        """Return where a part of a job is; empty when nobody asked for it."""
        known = self._seen(job, part) if job in self.jobs else None
        return "" if known is None else str(known.get("status", ""))

    def start(self, job: str, part: str, work: Coroutine[Any, Any, None]) -> None:
        """Start the unit of a part of a job."""
        task = asyncio.ensure_future(work)
        self.units[job, part] = task
        task.add_done_callback(lambda done: self._over(job, part, done))

    def _over(self, job: str, part: str, done: asyncio.Task[None]) -> None:
        if self.units.get((job, part)) is done:
            del self.units[job, part]
        if not done.cancelled() and (error := done.exception()) is not None:
            self.wrong.append(f"{part} of {job} broke on the host: {error!r}")

    def kill(self, job: str, part: str) -> bool:
        """Kill a unit, as kill -9 does; False when it does not run."""
        unit = self.units.pop((job, part), None)
        return unit is not None and unit.cancel()

    def arm(self, job: str, man: Coroutine[Any, Any, None]) -> None:
        """Arm a dead man for a job, in place of the one before."""
        self.disarm(job)
        self.deadmen[job] = asyncio.ensure_future(man)

    def disarm(self, job: str) -> None:
        """Stop a job's dead man, unless it is he who asks."""
        man = self.deadmen.pop(job, None)
        if man is not None and man is not asyncio.current_task():
            man.cancel()

    def _publish(self, given: Json) -> Json:
        job = given["job"]
        if self.status(job, "activate") != "committed":
            raise HostError(f"Job {job} was not committed on this host.", code="not-ready")
        self.write_down(given, "publish")
        if self.status(job, "publish") in ("", "failed", "lost"):
            self.jobs[job]["publish"] = {"status": "running"}
            self.start(job, "publish", self._publication(job))
        return self.state(given)

    async def _publication(self, job: str) -> None:
        await asyncio.sleep(2 * POLL)
        self.publish_fails -= 1
        if self.publish_fails >= 0:
            self.jobs[job]["publish"] = {
                "status": "failed",
                "error": {"code": "failed", "message": "No route to host."},
            }
            return
        main = "pushed" if "prepare" in self.jobs[job] else "untouched"
        self.jobs[job]["publish"] = {"status": "published", "deployed": "pushed", "main": main}

    def wants(self, job: str, verb: str) -> bool:
        """Tell whether somebody asked for something about a job."""
        return verb in self.requests.get(job, {})

    def write_down(self, given: Json, verb: str) -> None:
        """Keep a request; the first of its kind stands."""
        self.jobs.setdefault(given["job"], {})
        self.requests.setdefault(given["job"], {}).setdefault(verb, given)

    def run_now(self, wanted: Json) -> None:
        """Let a system run, whatever the default is."""
        same = [one for one in self.generations if one["system"] == wanted["system"]]
        chosen = next((one for one in same if one["current"]), same[0] if same else None)
        for one in self.generations:
            one["running"] = one is chosen
        kept = {key: wanted.get(key) for key in ("system", "commit", "pins")}
        self.trial = None if chosen else {**kept, "generation": None, "running": True, "job": None}

    def make_default(self, wanted: Json, job: str | None) -> int:
        """Make a system that runs the default; return the number of its generation."""
        current = next(one for one in self.generations if one["current"])
        if wanted.get("generation") is not None:
            current = self.numbered(wanted["generation"])
        elif current["system"] != wanted["system"]:
            number = self.add(wanted["system"], wanted["commit"], wanted["pins"])
            current = {**self.numbered(number), "proved": False, "job": job}
            self.generations[0] = current
        for one in self.generations:
            one["current"] = one is current
        self.run_now(current)
        return int(current["generation"])
