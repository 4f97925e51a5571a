"""From a job's id to its function, and from its function's end to the ledger."""

from typing import assert_never

from opsbot.happened import JobBegun
from opsbot.jobs.deploy import deploy
from opsbot.jobs.ending import EndedError, Ending
from opsbot.jobs.progress import Progress
from opsbot.jobs.publishing import publish_again
from opsbot.jobs.reboots import prove_boot
from opsbot.jobs.rollback import rollback
from opsbot.jobs.work import Work
from opsbot.model import Job, JobKind, Outcome
from opsbot.ports import Run
from opsbot.site import Site


async def perform(job_id: str, run: Run, site: Site) -> None:
    """Do a job; called again after a crash, it goes on at the step that was cut off."""
    job = await site.ledger.job(job_id)
    if job is None or job.ended_at is not None:
        return  # a restored database has no row of it, or has ended it: there is nobody to tell
    site.tell(JobBegun(job=job))
    work = Work(job, site, run)
    ending = await _ending(work)
    await run.step("end", lambda: work.progress.end(ending))


async def _ending(work: Work) -> Ending:
    try:
        match work.job.kind:
            case JobKind.DEPLOY:
                await deploy(work)
            case JobKind.ROLLBACK:
                await rollback(work)
            case JobKind.PROVE:
                await prove_boot(work)
            case JobKind.PUBLISH:
                await publish_again(work)
            case never:
                assert_never(never)
    except EndedError as ended:
        return ended.ending
    return Ending(outcome=Outcome.BROKEN, headline="The job came to no end; its log tells more.")


async def give_up(job: Job, site: Site, reason: str) -> None:
    """End a job that the durable engine cannot bring to its end, and say what a person must do."""
    prefix = site.config.prefix
    headline = (
        f"I could not bring this to its end ({reason}). A person must look: `{prefix}status` shows what runs, "
        f"`opsbot-host state {job.id}` on `{job.host}` what became of this. What nobody confirms goes back by itself."
    )
    await Progress(job, site).end(Ending(outcome=Outcome.BROKEN, headline=headline))
