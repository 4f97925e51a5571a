"""A job waits for others: in the line before a host, where nothing is built yet, and for the host's lock."""

from collections.abc import Collection, Sequence

from opsbot.jobs.gate import OPEN, gate
from opsbot.jobs.work import Work
from opsbot.line import TURN
from opsbot.model import Job, Json, Outcome
from opsbot.render.jobs import title
from opsbot.render.lines import busy_words, place_words
from opsbot.render.times import duration

#: Seconds between two looks at those before us.
_LOOK = 2.0
#: Seconds to wait in the line, and for another job to be done with the host.
_LINE, _TURN = 4 * 3600.0, 1800.0


async def admit(work: Work) -> Json:
    """Let a job pass to its host, within a step: nothing keeps it away, and it is its turn. Return `refused`, `codes`.

    A dry run changes nothing: it waits for nobody, and nothing keeps it away.
    """
    if work.job.dry_run:
        return OPEN
    shut: Json = await gate(work)
    if shut["refused"]:
        return shut
    stopped = await _line(work)
    return stopped or await gate(work)


async def _line(work: Work) -> Json | None:
    """Wait in the line, if it was asked for; return why the job has left it."""
    job, ledger, clock = work.job, work.site.ledger, work.site.clock
    began, waits = clock.now(), False
    while True:
        first = await ledger.enter(job.id)
        current = await ledger.job(job.id) or job
        waited = (clock.now() - began).total_seconds()
        stop = _stopped(current, await _replacement(work, current)) or (
            _in_vain(work, first, waited) if first else None
        )
        replaces = current.details.get("replaces", ())
        if not waits and (replaces or (first and not stop)):
            await work.progress.begin("queue", place_words(first, replaces))
            waits = True
        if stop or not first:
            if waits:
                await work.progress.finish("queue", place_words((), replaces))
            return stop
        await work.progress.note("queue", place_words(first, replaces))
        await clock.sleep(_LOOK)


async def _replacement(work: Work, job: Job) -> Job | None:
    number = job.details.get("replaced_by")
    return None if number is None else await work.site.ledger.job(str(number))


def _stopped(job: Job, replacement: Job | None) -> Json | None:
    if (who := job.details.get("cancelled_by")) is not None:
        return {"refused": f"{who} cancelled it.", "codes": ["cancelled"]}
    if replacement is not None:
        return {"refused": f"{title(replacement)}, takes its place.", "codes": ["replaced"]}
    return None


def _in_vain(work: Work, first: Sequence[Job], waited: float) -> Json | None:
    job, site = work.job, work.site
    zone = site.config.zone_of((job.details or {}).get("rooms", ()))
    busy = busy_words(job.host, first, now=site.clock.now(), zone=zone)
    if "wait" not in job.options:
        again = f"{site.config.prefix}deploy {job.project} {job.target} --wait"
        return {"refused": f"{busy} `{again}` waits for its turn.", "codes": ["busy"]}
    if waited > _LINE:
        return {"refused": f"{busy} I have waited for {duration(_LINE)}.", "codes": ["busy"]}
    return None


async def take_turn(work: Work, moves: Collection[str] = ()) -> None:
    """Take the host's lock, waiting for the job that has it; see that nothing keeps us away from what it MOVES."""
    job = work.job
    began = work.site.clock.now()

    async def step() -> Json:
        waits = False
        while True:
            holder = await work.site.ledger.take_lock(job.host, job.id)
            cancelled = await work.cancelled_by()
            shut: Json = await gate(work, moves)
            waited = (work.site.clock.now() - began).total_seconds()
            if holder is None or cancelled or shut["refused"] or waited > _TURN:
                if waits:
                    await work.progress.finish(TURN, "")
                # An older version of the bot, which knows of no refusal here, takes it for what holds the host.
                said = shut["refused"] or (None if holder is None else title(holder))
                return {"holder": said, "cancelled_by": cancelled, "codes": shut["codes"]}
            if not waits:
                await work.progress.begin(TURN)
            waits = True
            await work.progress.note(TURN, f"waiting for {title(holder)}")
            await work.site.clock.sleep(_LOOK)

    turn = await work.run.step(TURN, step)
    if turn["cancelled_by"]:
        raise work.ended(Outcome.CANCELLED, f"Cancelled by {turn['cancelled_by']}; nothing was activated.")
    if turn.get("codes"):
        headline = f"{_what(job)} was not activated: {turn['holder']}"
        raise work.ended(Outcome.REFUSED, headline, code=" ".join(turn["codes"]))
    if turn["holder"] is not None:
        raise work.ended(
            Outcome.REFUSED, f"`{job.host}` was busy for too long with {turn['holder']}. Nothing was activated."
        )


def _what(job: Job) -> str:
    return f"{job.project} {job.target}".strip() or "The rollback"
