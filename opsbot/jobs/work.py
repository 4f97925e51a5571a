"""One job at work: what its function holds, and how it talks to the host until the host answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from opsbot.answers import NotThatHostError
from opsbot.errors import HostError, HostUnreachableError, OpsbotError
from opsbot.jobs.ending import EndedError, Ending
from opsbot.jobs.progress import Progress
from opsbot.model import Job, Json, Outcome, Text
from opsbot.ports import Host, Run
from opsbot.site import Site

#: Seconds between two questions to a host that does not answer: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
#: Seconds for which something else than the host may answer: a switch takes its helper away for a moment.
_STRANGER = 60.0
#: How often what died is begun anew where it changes nothing that runs, and so may be given up.
_ANEW = 3
#: Seconds between two looks at a host that has had our word and has not yet acted on it.
_GLANCE = 0.3
#: What a part of a job on the host is while it is at work.
AT_WORK = frozenset({"running", "arming", "activating", "proving", "committing", "reverting"})
#: The same, once the host waits for the bot's word and the word was given.
ANSWERED = AT_WORK | {"waiting"}
#: The host's words for "no, and nothing was begun". Any other error only says that it could not answer well: what it
#: does is unknown then, as with a lost connection.
DEFINITE = frozenset({"bad-request", "unknown", "not-ready", "base-moved", "busy", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Order:
    """A verb that begins a part of the job on the host; given again, the host only goes on with it."""

    part: str
    verb: str
    #: The job's id on the host; it differs from the job's own on later attempts.
    on_host: str
    arguments: Json = field(default_factory=dict)

    @property
    def harmless(self) -> bool:
        """Whether it changes nothing that runs, so that any no may end it."""
        return self.part != "activate"


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

    async def ask(
        self,
        stage: str,
        verb: str,
        *,
        patience: float | None = None,
        stubborn: bool = False,
        within: float = 30.0,
        **arguments: Json,
    ) -> Json:
        """Ask the host until it answers, for PATIENCE seconds or for ever.

        Raises HostError when it says no, HostUnreachableError when the patience is over. A STUBBORN question takes only
        a definite no for one.
        """
        began = self.site.clock.now()
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self.host.ask(verb, arguments, within=within)
            except HostError as error:
                if not stubborn or error.code in DEFINITE:
                    raise
                await self._no_answer(stage, error)
            except HostUnreachableError as error:
                waited = (self.site.clock.now() - began).total_seconds()
                most = min(patience or 0.0, _STRANGER) if isinstance(error, NotThatHostError) else patience
                if patience is not None and waited > (most or 0.0):
                    raise
                await self._no_answer(stage, error)
            await self.site.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _no_answer(self, stage: str, error: OpsbotError) -> None:
        await self.progress.note(stage, f"no answer, I keep asking: {error}")

    async def carry_out(self, stage: str, order: Order, *, patience: float | None = None) -> Json:
        """Give an order and follow its part of the job to its end, or until the host waits for the bot's word.

        Raises HostError when the host will not begin it, HostUnreachableError when it cannot be reached for PATIENCE.
        """
        await self.ask(
            stage, order.verb, patience=patience, stubborn=not order.harmless, job=order.on_host, **order.arguments
        )
        return await self.watch(stage, order)

    async def watch(self, stage: str, order: Order, *, at_work: frozenset[str] = AT_WORK) -> Json:
        """Follow an order that was given until its part is no longer AT_WORK; what was lost is ordered anew."""
        offset, died = 0, 0
        while True:
            try:
                async for line in self.host.follow(order.on_host, order.part, offset, seconds=20):
                    if "text" in line:
                        offset = line.get("next", line["offset"])
                        await self.progress.log(line["text"])
                    await self._pass_on_cancel(order)
                state = (await self.host.ask("state", {"job": order.on_host}))[order.part] or {"status": "lost"}
                died += state["status"] == "lost"
                state = self._given_up(order, died) or state
                if state["status"] == "lost":
                    await self.ask(stage, order.verb, stubborn=not order.harmless, job=order.on_host, **order.arguments)
            except (HostError, HostUnreachableError) as error:
                if order.part == "prepare" and await self.cancelled_by():
                    return {"status": "cancelled"}
                await self._no_answer(stage, error)
                await self.site.clock.sleep(_FIRST_PAUSE)
                continue
            if state["status"] == "lost":
                await self.site.clock.sleep(_FIRST_PAUSE)
            elif state["status"] not in at_work:
                return {**state, "cancelled_by": await self.cancelled_by()}
            elif state["status"] == "waiting":
                await self.site.clock.sleep(_GLANCE)

    def _given_up(self, order: Order, died: int) -> Json:
        if not order.harmless or died <= _ANEW:
            return None
        said = f"its process on `{self.job.host}` died {died} times without a word; has it room and memory left?"
        return {"status": "failed", "error": {"code": "lost", "message": said}}

    async def _pass_on_cancel(self, order: Order) -> None:
        if not await self.cancelled_by():
            return
        try:
            await self.host.ask("cancel", {"job": order.on_host})
        except HostError:
            return  # past the point where it can be cancelled; its end will be told

    async def cancelled_by(self) -> str | None:
        """Return who cancelled the job, if somebody did."""
        job = await self.site.ledger.job(self.job.id)
        return None if job is None else job.details.get("cancelled_by")
