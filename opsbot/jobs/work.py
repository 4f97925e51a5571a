"""One job at work: what its function holds, and how it talks to the host until the host answers."""

from collections.abc import Awaitable, Callable

from opsbot.errors import HostError, HostUnreachableError
from opsbot.jobs.ending import EndedError, Ending
from opsbot.jobs.progress import Progress
from opsbot.model import Job, Json, Outcome, Text
from opsbot.ports import Host, Run
from opsbot.render.times import duration
from opsbot.site import Site

#: Seconds between two questions to a host that does not answer: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
#: Seconds between two looks at a host that has had our word and has not yet acted on it.
_GLANCE = 0.3
#: What a part of a job on the host is while it is at work.
AT_WORK = frozenset({"running", "arming", "activating", "proving", "committing", "reverting"})
#: The same, once the host waits for the bot's word and the word was given.
ANSWERED = AT_WORK | {"waiting"}


class Work:
    """A job, its memory, its report, its host."""

    def __init__(self, job: Job, site: Site, run: Run) -> None:
        self.job = job
        self.site = site
        self.run = run
        self.progress = Progress(job, site)

    @property
    def host(self) -> Host:
        """The host that the job changes."""
        return self.site.hosts[self.job.host]

    async def stage(self, name: str, work: Callable[[], Awaitable[tuple[Json, str]]]) -> Json:
        """Do a stage as one durable step. WORK returns the stage's result and a note on it for the report."""

        async def step() -> Json:
            await self.progress.begin(name)
            result, note = await work()
            await self.progress.finish(name, note)
            return result

        return await self.run.step(name, step)

    def ended(self, outcome: Outcome, headline: str, *, more: Text | None = None, **details: Json) -> EndedError:
        """Make the end with which the job's function is left."""
        return EndedError(Ending(outcome=outcome, headline=headline, more=more, details=details))

    async def ask(self, stage: str, verb: str, *, patience: float | None = None, **arguments: Json) -> Json:
        """Ask the host until it answers, for PATIENCE seconds or for ever.

        Raises HostError when it says no, HostUnreachableError when the patience is over.
        """
        began = self.site.clock.now()
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self.host.ask(verb, arguments)
            except HostUnreachableError as error:
                waited = (self.site.clock.now() - began).total_seconds()
                if patience is not None and waited > patience:
                    raise
                await self.progress.note(stage, f"no answer, I keep asking: {error}")
            await self.site.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def watch(
        self,
        stage: str,
        part: str,
        on_host: str,
        *,
        again: Callable[[], Awaitable[Json]],
        at_work: frozenset[str] = AT_WORK,
    ) -> Json:
        """Follow PART of the job ON_HOST until it is no longer AT_WORK; AGAIN asks for it anew when it was lost."""
        offset = 0
        while True:
            try:
                async for line in self.host.follow(on_host, part, offset, seconds=20):
                    if "text" in line:
                        offset = line["offset"]
                        await self.progress.log(line["text"])
                    await self._pass_on_cancel(on_host)
                state = (await self.ask(stage, "state", job=on_host))[part] or {"status": "lost"}
            except HostUnreachableError as error:
                await self.progress.note(stage, f"no answer, I keep asking: {error}")
                await self.site.clock.sleep(_FIRST_PAUSE)
                continue
            if state["status"] == "lost":
                await again()
                await self.site.clock.sleep(_FIRST_PAUSE)
            elif state["status"] not in at_work:
                return state
            elif state["status"] == "waiting":
                await self.site.clock.sleep(_GLANCE)

    async def _pass_on_cancel(self, on_host: str) -> None:
        job = await self.site.ledger.job(self.job.id)
        if job is None or not job.details.get("cancelled_by"):
            return
        try:
            await self.host.ask("cancel", {"job": on_host})
        except HostError:
            return  # past the point where it can be cancelled; its end will be told

    async def cancelled_by(self) -> str | None:
        """Return who cancelled the job, if somebody did."""
        job = await self.site.ledger.job(self.job.id)
        return None if job is None else job.details.get("cancelled_by")


def seconds_left(deadline: float, now: float) -> str:
    """Say how long there is until a deadline; both in seconds since 1970."""
    return duration(max(deadline - now, 0.0))
