"""The line before a host: who goes first, no I/O. A rollback goes ahead of what waits; the rest goes by its number."""

from collections.abc import Iterable

from opsbot.consent import Request
from opsbot.model import Job, JobKind

#: What a job has learnt of its place: it waits for the jobs before it, or it has passed.
WAITING, PASSED = "waiting", "passed"
#: The stage at which a job waits for the host's lock.
TURN = "turn"


def ahead(job: Job, others: Iterable[Job]) -> list[Job]:
    """Return the open jobs that go to the host before JOB does, the one at work first.

    What only waits for somebody's word holds nobody up, and going back waits for nobody here.
    """
    if job.kind is not JobKind.DEPLOY:
        return []
    waits = _line(job) == WAITING
    before = [
        one
        for one in others
        if _goes_there(one, job)
        and (one.number < job.number or _line(one) == PASSED or (waits and one.kind is JobKind.ROLLBACK))
        and Request.of(one) is None
        and not _details(one).get("replaced_by")
    ]
    return sorted(before, key=lambda one: (_line(one) == WAITING, one.kind is not JobKind.ROLLBACK, one.number))


def outdated(job: Job, others: Iterable[Job]) -> list[Job]:
    """Return what waits in the line with the same project, and was asked for before JOB: that takes its place."""
    return [
        one
        for one in others
        if _goes_there(one, job) and job.project == one.project and one.number < job.number and _line(one) == WAITING
    ]


def first_at_turn(job: Job, others: Iterable[Job]) -> Job:
    """Return whose turn it is at a free host: JOB's, or that of another one which waits for it."""
    waiting = [one for one in others if one.host == job.host and one.stage == TURN and one.ended_at is None]
    return min([job, *waiting], key=lambda one: (one.kind is not JobKind.ROLLBACK, one.number))


def _goes_there(one: Job, job: Job) -> bool:
    open_there = one.id != job.id and one.host == job.host and one.ended_at is None
    return open_there and not one.dry_run and one.kind in (JobKind.DEPLOY, JobKind.ROLLBACK)


def _line(job: Job) -> str:
    return str(_details(job).get("line", ""))


def _details(job: Job) -> dict[str, object]:
    return job.details or {}
