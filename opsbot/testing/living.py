"""A host in memory that lives: it does what `opsbot.onhost` does, in the same order, and goes on without the bot.

One activation at a time; a dead man is armed before a switch; until the commit a reboot undoes everything, and a commit
that has begun is finished. What goes wrong on it is in `opsbot.testing.mishaps`.
"""

import asyncio

from opsbot.errors import HostError
from opsbot.model import Json
from opsbot.ports import Clock
from opsbot.testing.units import ENDED, POLL, UnitHost

#: Seconds: until a unit is up, for each half of a switch, for a build.
_UP, _HALF, _BUILD = 0.2, 0.6, 2.0
#: Seconds until an activation must wait for a word, for that word, and what the dead man leaves to the process.
_ACTIVATION, _WINDOW, _MARGIN = 120.0, 60.0, 2.0


class GoBackError(Exception):
    """The new system is not to stay."""


class LivingHost(UnitHost):
    """One host, with everything that it ever switched to in `switches`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        #: The job that holds the host, and who switches it at the moment.
        self.holder = self.switching = ""
        #: What ran before each job.
        self._former: dict[str, Json] = {}
        #: Each switch that was begun: the job, and the system.
        self.switches: list[tuple[str, str]] = []
        #: What the next part of a job fails with, once: by "prepare", "activate" and "prove".
        self.faults: dict[str, str] = {}

    def _prepare(self, given: Json) -> Json:
        job = given["job"]
        self.write_down(given, "prepare")
        if self.status(job, "prepare") in ("", "lost"):
            self.jobs[job].pop("prepare", None)
            super()._prepare(given)
            result, self.jobs[job]["prepare"] = self.jobs[job]["prepare"], {"status": "running"}
            self.start(job, "prepare", self._build(job, result))
        return self.state(given)

    async def _build(self, job: str, result: Json) -> None:
        until = self.now() + _BUILD
        while self.now() < until:
            await asyncio.sleep(POLL)
            if self.wants(job, "cancel"):
                self.jobs[job]["prepare"] = {"status": "cancelled"}
                return
        if (why := self.faults.pop("prepare", "")) and result["status"] == "built":
            result = {"status": "failed", "error": {"code": "build", "message": why}}
        self.jobs[job]["prepare"] = result

    def _activate(self, given: Json) -> Json:
        return self._asked_to_switch(given, "activate")

    def _rollback(self, given: Json) -> Json:
        wanted = self.numbered(given["generation"])
        self.jobs.setdefault(given["job"], {}).setdefault("wanted", wanted)
        return self._asked_to_switch(given, "rollback")

    def wanted(self, job: str) -> Json:
        """Return the build or the generation that a job is to put in place."""
        return self.jobs[job].get("wanted") or self.jobs[job]["prepare"]

    def _asked_to_switch(self, given: Json, verb: str) -> Json:
        job = given["job"]
        if not self.wants(job, verb) and (refused := self._refused(given)) is not None:
            raise refused
        self.write_down(given, verb)
        if "activate" not in self.jobs[job]:
            self.jobs[job]["activate"] = {"status": "running", "boot_id": self.boots, "warnings": []}
            self.start(job, "activate", self._activation(job, given))
        elif self.status(job, "activate") == "lost":
            self.start(job, "activate", self._resume(job))
        return self.state(given)

    def tell(self, verb: str, given: Json) -> Json:
        """Do a verb at the console, where no wire is."""
        return getattr(self, f"_{verb}")(given)

    def _confirm(self, given: Json) -> Json:
        status = self.status(given["job"], "activate")
        if status in ("", "running", "arming", "activating", "proving"):
            raise HostError(f"Nothing waits to be confirmed ({status}).", code="not-ready")
        if status == "waiting":
            self.write_down(given, "confirm")
        return self.state(given)

    def _revert(self, given: Json) -> Json:
        return self._undo(given, "revert")

    def _cancel(self, given: Json) -> Json:
        self.state(given)
        return self._undo(given, "cancel")

    def _undo(self, given: Json, verb: str) -> Json:
        """Write down that a job is not wanted; what is cut off is undone at once, anything else by its process."""
        job = given["job"]
        if verb == "revert" and "activate" not in self.jobs.get(job, {}):
            raise HostError(f"Nothing was activated for job {job}.", code="not-ready")
        if self.status(job, "activate") not in ENDED | {"committing"}:
            self.write_down(given, verb)
            if self.status(job, "activate") == "lost":
                self.start(job, "activate", self._go_back(job, given.get("reason") or "The job was cancelled."))
        return self.state(given)

    def _refused(self, given: Json) -> HostError | None:
        if self.holder not in ("", given["job"]):
            return HostError(f"Job {self.holder} holds this host.", code="busy")
        if given["base"] != self.running["system"]:
            return HostError("Another system runs now.", code="base-moved")
        if given.get("system") not in (None, self.wanted(given["job"])["system"]):
            return HostError("This is another system than the one that was agreed to.", code="base-moved")
        return None

    def move(self, job: str, status: str, **fields: Json) -> Json:
        """Write down where an activation is."""
        self.jobs[job]["activate"] |= {**fields, "status": status}
        return self.jobs[job]["activate"]

    def end(self, job: str, status: str, **fields: Json) -> None:
        """Write down how an activation ended, stop its dead man and let go of the host."""
        self.move(job, status, **fields)
        self.disarm(job)
        if self.holder == job:
            self.holder = ""

    async def _activation(self, job: str, given: Json) -> None:
        await asyncio.sleep(_UP)
        if (refused := self._refused(given)) is not None:
            self.end(job, "refused", error={"code": refused.code, "message": str(refused)})
            return
        self.holder, runs = job, self.running
        self._former[job] = runs
        self.move(job, "arming", base=runs["system"], base_generation=runs["generation"], switched=False)
        try:
            self.arm(job, self._overdue(job, _ACTIVATION))
            await self._step(job)
            self.move(job, "activating", switched=True)
            await self._switch(job, self.wanted(job))
            self._stumble("activate")
            self.move(job, "proving")
            await self._step(job)
            self._stumble("prove")
            await self._wait(job, float(given.get("window") or _WINDOW))
            await self._commit(job)
        except GoBackError as error:
            await self._go_back(job, str(error))

    def _stumble(self, part: str) -> None:
        if why := self.faults.pop(part, ""):
            raise GoBackError(why)

    async def _step(self, job: str) -> None:
        await asyncio.sleep(POLL)
        if self.wants(job, "revert"):
            raise GoBackError(str(self.requests[job]["revert"].get("reason")))
        if self.wants(job, "cancel"):
            raise GoBackError("The job was cancelled.")

    async def _wait(self, job: str, window: float) -> None:
        self.arm(job, self._overdue(job, window + _MARGIN))
        deadline = self.now() + window
        self.move(job, "waiting", deadline=deadline)
        while not self.wants(job, "confirm"):
            if self.now() > deadline:
                raise GoBackError(f"Nobody confirmed within {window:g} s.")
            await self._step(job)

    async def _switch(self, who: str, wanted: Json) -> None:
        if self.switching:
            self.wrong.append(f"{who} switched while {self.switching} did")
        self.switches.append((who, wanted["system"]))
        self.switching = who
        try:
            await asyncio.sleep(_HALF)
            self.run_now(wanted)
            await asyncio.sleep(_HALF)
        finally:
            self.switching = ""

    async def _commit(self, job: str) -> None:
        wanted = self.wanted(job)
        self.move(job, "committing", committing=True)
        await asyncio.sleep(POLL)
        if self.running["system"] != wanted["system"]:
            raise GoBackError("The system that was to be made the default does not run any more.")
        number = self.make_default(wanted, job)
        await asyncio.sleep(POLL)
        self.numbered(number)["proved"] = True
        self.end(job, "committed", generation=number, proved=True)

    async def _go_back(self, job: str, why: str) -> None:
        state = self.move(job, "reverting", why=why)
        if not state.get("switched"):
            self.end(job, "refused", error={"code": "cancelled", "message": why})
            return
        former = self._former[job]
        if self.running["system"] not in (former["system"], self.wanted(job)["system"]):
            self.end(job, "stuck", why=f"{why} Then somebody else put another system in place; it was left alone.")
            return
        if self.running["system"] != former["system"]:
            await self._switch(job, former)
        if state.get("committing"):
            self.make_default(former, former.get("job"))
        self.end(job, "rebooted" if state["boot_id"] != self.boots else "reverted")

    async def _resume(self, job: str) -> None:
        """End an activation whose process is gone, as the next one does."""
        await asyncio.sleep(_UP)
        state = self.jobs[job]["activate"]
        if state["status"] == "committing":
            await self._at_last(job, "The commit was cut off and could not be finished.", finish=True)
        elif state.get("switched"):
            cut_off = f"The activation was cut off (it was {state['status']})."
            await self._go_back(job, state.get("why") or cut_off)
        else:
            await self._activation(job, self.requests[job].get("activate") or self.requests[job]["rollback"])

    async def _overdue(self, job: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        state = self.jobs[job]["activate"]
        self.kill(job, "activate")
        why = "Nobody confirmed in time." if state["status"] == "waiting" else "It did not end in time."
        self.start(job, "activate", self._at_last(job, why, finish=state["status"] == "committing"))

    async def _at_last(self, job: str, why: str, *, finish: bool) -> None:
        try:
            if finish:
                await self._commit(job)
                return
        except GoBackError as error:
            why = str(error)
        await self._go_back(job, why)
