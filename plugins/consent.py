"""Agree to what somebody else asked for, or say no."""

from opsbot import NO_WORDS, Context, RefusedError, Text, UsageError, Words, command
from opsbot.consent import Request, may_agree
from opsbot.jobs.consent import request_cause
from opsbot.model import Job
from opsbot.render.jobs import title
from opsbot.render.text import lines, words
from opsbot.render.times import age, duration
from opsbot.testimony import Verdict


@command(needs="member", aliases=("agree", "lgtm"))
async def approve(ctx: Context, id: str = "", reason: Words = NO_WORDS) -> Text:  # noqa: A002 - what people read
    """Agree that job ID is activated, with a REASON if you like; a ✅ on the request does the same.

    Who asked cannot agree. Without an ID: what waits for somebody's word.
    """
    if not id:
        return await _waiting(ctx)
    job, request = await _request(ctx, id)
    config, now = ctx.site.config, ctx.site.clock.now()
    decision = may_agree(ctx.person, request, config.rules, config.people, config.approvals, now.timestamp())
    alone = job.person == ctx.person.name
    if not decision.allowed:
        raise RefusedError(f"No: {decision.reason}")
    if alone and not reason:
        raise UsageError(f"Nobody else agrees to this, so say why: `{config.prefix}approve {job.number} REASON`.")
    return await _give(ctx, job, request, agreed=True, reason=reason, alone=alone)


@command(needs="member", aliases=("reject",))
async def deny(ctx: Context, id: str, reason: Words = NO_WORDS) -> Text:  # noqa: A002 - what people read
    """Say no to job ID, with a REASON; a ❌ on the request does the same. It ends, and nothing is activated.

    Whoever could agree may say no, and who asked may take it back.
    """
    job, request = await _request(ctx, id)
    config, now = ctx.site.config, ctx.site.clock.now()
    decision = may_agree(ctx.person, request, config.rules, config.people, config.approvals, now.timestamp())
    if not decision.allowed and job.person != ctx.person.name:
        raise RefusedError(f"No: {decision.reason}")
    return await _give(ctx, job, request, agreed=False, reason=reason, alone=False)


async def _request(ctx: Context, name: str) -> tuple[Job, Request]:
    job = await ctx.site.ledger.job(name)
    if job is None:
        raise UsageError(f"There is no job `{name}`. `{ctx.site.config.prefix}approve` lists what waits.")
    request = Request.of(job)
    if request is None:
        raise RefusedError(f"#{job.number} does not wait for anybody's word.")
    if ctx.message.reacts_to is not None:
        asked = await ctx.site.outbox.cause_of(ctx.message.reacts_to) or ""
        if not asked.startswith(request_cause(job.id, request)):
            raise RefusedError(f"That was an earlier request of #{job.number}; the word is asked for anew below it.")
    if ctx.site.clock.now().timestamp() > request.expires_at:
        raise RefusedError(f"Too late: the request of #{job.number} has expired.")
    return job, request


async def _give(ctx: Context, job: Job, request: Request, *, agreed: bool, reason: str, alone: bool) -> Text:
    mine = Verdict(
        job_id=job.id,
        system=request.system,
        base=request.base,
        agreed=agreed,
        person=ctx.person.name,
        account=ctx.message.sender,
        reason=" ".join(reason.split())[:200],
        alone=alone,
        at=ctx.site.clock.now(),
    )
    counts = await ctx.site.ledger.give_verdict(mine)
    if counts != mine:
        said = "agreed to" if counts.agreed else "said no to"
        raise RefusedError(f"{counts.person} {said} #{job.number} before you.")
    return words(f"You {'agreed to' if agreed else 'said no to'} {title(job)}.")


async def _waiting(ctx: Context) -> Text:
    now = ctx.site.clock.now()
    rows = [
        words(
            f"{title(job)}: needs the word of the level {request.need.level}, asked for "
            f"{age(now.timestamp() - request.asked_at)}, for another {duration(request.expires_at - now.timestamp())}"
        )
        for job in await ctx.site.ledger.jobs(open_only=True)
        if (request := Request.of(job)) is not None
    ]
    return lines(*rows) if rows else words("Nothing waits for anybody's word.")
