"""Look at jobs and locks, or stop a job."""

from datetime import datetime

from opsbot import Context, Job, OpsbotError, Publish, RefusedError, Text, UsageError, command
from opsbot.model import Level, Outcome
from opsbot.policy import decide
from opsbot.render.audit import line_text
from opsbot.render.jobs import final_report, report, summary, title
from opsbot.render.text import lines, words
from opsbot.render.times import age, clock
from opsbot.rules import Ask
from opsbot.typed import shown

#: How many jobs the history shows at most, and how many may be open beside them.
_MOST, _OPEN = 30, 10


@command(needs="member", aliases=("jobs",))
async def job(ctx: Context, id: str = "") -> Text:  # noqa: A002 - the argument's name is what people read
    """Show job ID with its stages; without an ID, the newest jobs."""
    now = ctx.site.clock.now()
    if not id:
        newest = await ctx.site.ledger.jobs(limit=10)
        rows = [summary(one, age=_age(one, now)) for one in newest]
        return lines(*rows) if rows else words("There has been no job yet.")
    found = await _find(ctx, id)
    stages = found.details.get("stages", {})
    if found.outcome is None:
        return lines("It is at work:", report(found, stages, now=now.timestamp()))
    headline = found.details.get("headline", "")
    return final_report(found, stages, outcome=found.outcome, headline=headline, more=None)


@command(needs="contributor", aliases=("stop",))
async def cancel(ctx: Context, id: str = "") -> str:  # noqa: A002 - the argument's name is what people read
    """Stop job ID: it leaves the line, a build is stopped, an activation that is not committed yet goes back."""
    if not id:
        raise UsageError(await _which(ctx))
    found = await _find(ctx, id)
    if ctx.person.name != found.person and ctx.person.level < Level.ADMIN:
        raise RefusedError(f"No: #{found.number} is {found.person}'s; they or an admin may cancel it.")
    if found.outcome is not None:
        raise UsageError(f"#{found.number} has ended already ({found.outcome}).")
    await ctx.site.ledger.at_stage(found.id, found.stage, {"cancelled_by": ctx.person.name})
    if found.stage == "queue":
        return f"I take #{found.number} out of the line; its report tells the end."
    try:
        await ctx.site.hosts[found.host].ask("cancel", {"job": found.id})
    except OpsbotError:
        return f"I stop #{found.number} as soon as its host answers; its report tells the end."
    return f"I stop #{found.number}; its report tells the end."


@command(needs="deployer")
async def publish(ctx: Context, id: str) -> Job:  # noqa: A002 - the argument's name is what people read
    """Publish once more what job ID put in place, when the forge was away as it ended.

    The branch of the host becomes what runs, and the project's pin goes onto the platform's main.
    """
    found = await _find(ctx, id)
    asked = Ask(
        command="publish",
        needs=Level.DEPLOYER,
        rooms=ctx.rooms,
        projects=frozenset({found.project} - {""}),
        hosts=frozenset({found.host}),
    )
    decision = decide(ctx.person, asked, ctx.site.config.rules)
    if not decision.allowed:
        raise RefusedError(f"No: {decision.reason}")
    published = (found.details or {}).get("published")
    if found.outcome is not Outcome.DONE or published is None:
        raise UsageError(f"#{found.number} has put nothing in place that could be published.")
    if published.get("status") != "failed":
        raise UsageError(f"#{found.number} is published already.")
    return await ctx.start(Publish(found))


@command(needs="contributor")
async def history(ctx: Context, count: int = 10) -> Text:
    """Show the newest COUNT jobs that have ended: when, who, what, and how."""
    site, now = ctx.site, ctx.site.clock.now()
    count = max(1, min(count, _MOST))
    # The open ones are left out, of which there are few.
    ended = [one for one in await site.ledger.jobs(limit=count + _OPEN) if one.ended_at is not None]
    rows = [
        words(f"{clock(one.ended_at or now, ctx.zone, now)} {title(one)}: {one.details.get('headline', '')}")
        for one in ended[:count]
    ]
    return lines(*rows) if rows else words("No job has ended yet.")


@command(needs="contributor")
async def audit(ctx: Context, id: str) -> Text:  # noqa: A002 - the argument's name is what people read
    """Show who asked for job ID, what was decided and why, who agreed, and how it ended."""
    found = await _find(ctx, id)
    shown = [line_text(one, ctx.zone) for one in await ctx.site.audit.of_job(found.id)]
    return lines(*shown) if shown else words(f"#{found.number} is older than the audit's lines about jobs.")


def _age(found: Job, now: datetime) -> str:
    return age((now - found.created_at).total_seconds())


async def _find(ctx: Context, name: str) -> Job:
    found = await ctx.site.ledger.job(name)
    if found is None:
        raise UsageError(f"There is no job `{shown(name)}`. `{ctx.site.config.prefix}job` lists the newest ones.")
    return found


async def _which(ctx: Context) -> str:
    opened = await ctx.site.ledger.jobs(open_only=True)
    if not opened:
        return "There is nothing to cancel: no job is open."
    shortest = f"{ctx.site.config.prefix}cancel {opened[0].number}"
    return "\n".join([f"Which one? For instance `{shortest}`.", *(title(one) for one in opened)])
