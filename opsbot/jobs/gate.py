"""What keeps a job from a host though its person has the rights: somebody's lock, an embargo, a closed window.

It is looked at in the job, before it is built and again before it is activated: in between it may have waited.
"""

from collections.abc import Collection

from opsbot.jobs.work import Work
from opsbot.locks import Lock
from opsbot.model import JobKind, Json
from opsbot.render.times import age, clock
from opsbot.words import PLATFORM

#: Nothing is in the way.
OPEN: Json = {"refused": "", "codes": []}


async def gate(work: Work, moves: Collection[str] = ()) -> Json:
    """Return why a job that moves these projects may not go on, in `refused`, with `codes`; or what `--force` passed.

    Going back is kept from nobody by the time of day: it must be possible at night.
    """
    job, site = work.job, work.site
    if job.kind not in (JobKind.DEPLOY, JobKind.ROLLBACK):
        return OPEN
    if held := await _held_since(work):
        return {"refused": held, "codes": ["held"]}
    now = site.clock.now()
    projects = frozenset({job.project or PLATFORM.name, *moves}) if job.kind is JobKind.DEPLOY else frozenset(moves)
    named = projects | ({job.project} - {""})
    against = [("locked", _lock_words(work, one)) for one in await site.ledger.locks() if one.stops(job, named)]
    if job.kind is JobKind.DEPLOY:
        against += site.config.calendar.against(job.host, projects, now)
    if against and "force" in job.options:
        await _remember(work, [sentence for _, sentence in against])
        return OPEN
    refused = " ".join(f"{sentence[0].upper()}{sentence[1:]}" for _, sentence in against)
    codes = list(dict.fromkeys(code for code, _ in against))
    return {"refused": f"{refused} {_todo(work, codes)}" if against else "", "codes": codes}


async def _held_since(work: Work) -> str:
    """Say which hold was put on a deploy's own project since it was asked for: it is not lifted on purpose then."""
    job = work.job
    for one in await work.site.ledger.holds() if job.kind is JobKind.DEPLOY else ():
        # By the order of jobs where it is known: what a wrong clock wrote would be news for as long as it was wrong.
        later = one.since > job.created_at if one.after is None else one.after >= job.number
        if (one.host, one.project) == (job.host, job.project) and later:
            return (
                f"there is a hold on {one.project} since you asked: {one.reason}. Deploy it again if you still want it."
            )
    return ""


async def locked_elsewhere(work: Work) -> Json:
    """Return the sentence for each project that a platform's deploy must not move, as somebody keeps it locked."""
    job = work.job
    if job.dry_run or job.kind is not JobKind.DEPLOY or "force" in job.options:
        return {}
    others = (one for one in await work.site.ledger.locks() if one.project and one.project != job.project)
    return {one.project: _lock_words(work, one) for one in others if one.stops(job, frozenset({one.project}))}


def _lock_words(work: Work, lock: Lock) -> str:
    site, now = work.site, work.site.clock.now()
    zone = site.config.zone_of((work.job.details or {}).get("rooms", ()))
    since = f"{clock(lock.since, zone, now)} ({age((now - lock.since).total_seconds())})"
    unlock = f"`{site.config.prefix}unlock {lock.name}`"
    return f"`{lock.name}` is locked by {lock.by} since {since}: {lock.reason.rstrip('.')}. {lock.by} may {unlock}."


def _todo(work: Work, codes: Collection[str]) -> str:
    force = "An admin may go past that with `--force`."
    if work.job.kind is JobKind.ROLLBACK or "locked" in codes:
        return force
    return f"Deploy it at another time. {force} Going back is possible at any time."


async def _remember(work: Work, passed: list[str]) -> None:
    job = await work.site.ledger.job(work.job.id)
    if job is None:
        return
    known = job.details.get("overridden", [])
    new = [sentence for sentence in passed if sentence not in known]
    if new:
        await work.site.ledger.at_stage(job.id, job.stage, {"overridden": [*known, *new]})
