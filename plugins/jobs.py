"""Look at a job, or stop it."""

from opsbot import Context, Job, OpsbotError, RefusedError, Text, UsageError, command
from opsbot.model import Level, Outcome
from opsbot.render.jobs import final_report, report, summary
from opsbot.render.text import lines, words
from opsbot.render.times import age


@command(needs="member")
async def job(ctx: Context, id: str = "") -> Text:  # noqa: A002 - the argument's name is what people read
    """Show job ID with its stages; without an ID, the newest jobs."""
    now = ctx.site.clock.now()
    if not id:
        newest = await ctx.site.ledger.jobs(limit=10)
        rows = [summary(one, age=age((now - one.created_at).total_seconds())) for one in newest]
        return lines(*rows) if rows else words("There has been no job yet.")
    found = await _find(ctx, id)
    stages = found.details.get("stages", {})
    if found.outcome is None:
        return lines("It is at work:", report(found, stages, now=now.timestamp()))
    headline = found.details.get("headline", "")
    return final_report(found, stages, outcome=Outcome(found.outcome), headline=headline, more=None)


@command(needs="contributor")
async def cancel(ctx: Context, id: str) -> str:  # noqa: A002 - the argument's name is what people read
    """Stop job ID: a build is stopped, an activation that is not committed yet goes back."""
    found = await _find(ctx, id)
    if ctx.person.name != found.person and ctx.person.level < Level.ADMIN:
        raise RefusedError(f"No: #{found.number} is {found.person}'s; they or an admin may cancel it.")
    if found.outcome is not None:
        raise UsageError(f"#{found.number} has ended already ({found.outcome}).")
    await ctx.site.ledger.at_stage(found.id, found.stage, {"cancelled_by": ctx.person.name})
    try:
        await ctx.site.hosts[found.host].ask("cancel", {"job": found.id})
    except OpsbotError:
        return f"I stop #{found.number} as soon as its host answers; its report tells the end."
    return f"I stop #{found.number}; its report tells the end."


async def _find(ctx: Context, name: str) -> Job:
    found = await ctx.site.ledger.job(name)
    if found is None:
        raise UsageError(f"There is no job `{name}`. `job` lists the newest ones.")
    return found
