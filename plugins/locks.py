"""Keep others from deploying for a while, and see where one can."""

from opsbot import NO_WORDS, Context, OpsbotError, RefusedError, Text, UsageError, Words, command
from opsbot.consent import Request
from opsbot.line import ahead
from opsbot.locks import Lock
from opsbot.model import Job, Level
from opsbot.policy import decide, of_place
from opsbot.render.jobs import summary, title
from opsbot.render.text import lines, one_line, words
from opsbot.render.times import age, clock
from opsbot.rules import Ask
from opsbot.words import DEFAULT_PLACE, PLATFORM, Place, Project


@command(needs="deployer")
async def lock(ctx: Context, place: Place = DEFAULT_PLACE, reason: Words = NO_WORDS) -> Text:
    """Keep everybody else from deploying to PLACE, a project or a host, with the REASON that they are told.

    Without a PLACE it is the default host. You may go on deploying there. It stays until you `unlock` it, or an admin.
    """
    prefix, site = ctx.site.config.prefix, ctx.site
    if not reason:
        raise UsageError(
            f"Say why: `{prefix}lock {place.name or site.host_of(None)} REASON`. `{prefix}locks` lists what is."
        )
    host, project = _where(ctx, place)
    mine = Lock(
        host=host,
        project=project,
        by=ctx.person.name,
        reason=one_line(reason, longest=200),
        since=site.clock.now(),
        cause=ctx.message.event_id,
    )
    _allow(ctx, mine)
    stands = await site.ledger.put_lock(mine)
    if stands.by != mine.by:
        raise OpsbotError(f"{_shown(ctx, stands).body} Ask them; they or an admin may `{prefix}unlock {stands.name}`.")
    holder = await site.ledger.lock_holder(host)
    going = (
        f" {title(holder)} is at work there and goes on; `{prefix}cancel {holder.number}` stops it." if holder else ""
    )
    return words(f"`{mine.name}` is locked by you: {mine.reason}. `{prefix}unlock {mine.name}` ends that.{going}")


@command(needs="deployer")
async def unlock(ctx: Context, place: Place = DEFAULT_PLACE, reason: Words = NO_WORDS) -> Text:
    """Take your lock on PLACE away, a project or a host; an admin may take another's, with a REASON.

    Without a PLACE it is your only lock.
    """
    site = ctx.site
    found = await _named(ctx, place)
    if found.by != ctx.person.name:
        if ctx.person.level < Level.ADMIN:
            raise RefusedError(f"No: {_shown(ctx, found).body} They or an admin may take it away.")
        if not reason:
            again = f"`{site.config.prefix}unlock {found.name} REASON`"
            raise UsageError(f"{_shown(ctx, found).body} It is not yours, so say why: {again}.")
    if not await site.ledger.take_away(found):
        raise OpsbotError(
            f"`{found.name}` was locked anew, or unlocked, in the meantime; `{site.config.prefix}locks` shows it."
        )
    whose = "your lock" if found.by == ctx.person.name else f"the lock of {found.by}"
    why = f": {one_line(reason, longest=200)}" if reason else "."
    return words(f"`{found.name}` is free of {whose} ({found.reason}){why}")


@command(needs="member", aliases=("wcid",))
async def locks(ctx: Context) -> Text:
    """Show where one can deploy: what is at work and waits, locks, holds, windows and embargoes."""
    site, now = ctx.site, ctx.site.clock.now()
    opened = await site.ledger.jobs(open_only=True)
    held = [
        words(f"hold on {one.project} by {one.by}, {clock(one.since, ctx.zone, now)}: {one.reason}")
        for one in await site.ledger.holds()
    ]
    locked = [_shown(ctx, one) for one in await site.ledger.locks()]
    return lines(
        *[part for name in site.hosts for part in await _host(ctx, name, opened)],
        *(locked or [words("There is no lock.")]),
        *(held or [words("There is no hold.")]),
        *_times(ctx),
        await _yours(ctx, opened),
    )


async def _host(ctx: Context, name: str, opened: list[Job]) -> list[Text]:
    now = ctx.site.clock.now()
    holder = await ctx.site.ledger.lock_holder(name)
    there = sorted((one for one in opened if one.host == name), key=lambda one: one.number)
    at_work = [one for one in there if holder is not None and one.id == holder.id] or there[:1]
    shown = [summary(one, age=age((now - one.created_at).total_seconds())).body for one in at_work]
    waits = [
        words(f"  then {title(one)}, behind {len(before)}")
        for one in there
        if (one.details or {}).get("line") == "waiting" and (before := ahead(one, there))
    ]
    return [words(f"`{name}`: {f'busy with {shown[0]}' if shown else 'free'}"), *waits]


def _times(ctx: Context) -> list[Text]:
    """Say which windows are closed and which embargoes hold, each once."""
    config, now = ctx.site.config, ctx.site.clock.now()
    said = [
        sentence
        for name in (*config.projects, PLATFORM.name)
        for _, sentence in config.calendar.against(ctx.site.homes[name], [name], now)
    ]
    return [words(one) for one in dict.fromkeys(said)]


async def _yours(ctx: Context, opened: list[Job]) -> Text | None:
    """Say what the person who asks could deploy at once, and what in its turn."""
    if ctx.person.level < Level.DEPLOYER:
        return None
    site, now = ctx.site, ctx.site.clock.now()
    standing = await site.ledger.locks()
    busy = {one.host for one in opened if not one.dry_run and Request.of(one) is None}
    free = []
    for name in (name for name in (*site.config.projects, PLATFORM.name) if site.homes[name]):
        host = site.homes[name]
        locked = any(one.host == host and one.project in ("", name) and one.by != ctx.person.name for one in standing)
        closed = any(site.config.calendar.against(host, [name], now))
        if not locked and not closed and site.decide(ctx.person, site.parse("deploy", name), ctx.rooms).allowed:
            free.append(f"{name} with --wait" if host in busy else name)
    return words(f"You can deploy: {', '.join(free) or 'nothing at the moment'}.")


def _shown(ctx: Context, one: Lock) -> Text:
    since = clock(one.since, ctx.zone, ctx.site.clock.now())
    return words(f"`{one.name}` is locked by {one.by} since {since}: {one.reason.rstrip('.')}.")


def _where(ctx: Context, place: Place) -> tuple[str, str]:
    """Return the host that is meant, and the project, or none for the whole host."""
    projects = (*ctx.site.config.projects, PLATFORM.name)
    if place.name in projects:
        return ctx.site.host_of(Project(place.name)), place.name
    return place.name or ctx.site.host_of(None), ""


def _allow(ctx: Context, mine: Lock) -> None:
    """See that the person could deploy all that they would keep from others. Raises RefusedError."""
    ask = Ask(
        command="lock",
        needs=Level.DEPLOYER,
        rooms=ctx.rooms,
        projects=frozenset(of_place(Place(mine.name), ctx.site.homes)),
        hosts=frozenset({mine.host}),
    )
    decision = decide(ctx.person, ask, ctx.site.config.rules)
    if not decision.allowed:
        raise RefusedError(f"No: {decision.reason}")


async def _named(ctx: Context, place: Place) -> Lock:
    standing = await ctx.site.ledger.locks()
    if not place.name:
        mine = [one for one in standing if one.by == ctx.person.name]
        if len(mine) == 1:
            return mine[0]
        several = ", ".join(f"`{one.name}`" for one in mine)
        raise UsageError(f"Which one? You have locked {several}." if mine else "You have locked nothing.")
    host, project = _where(ctx, place)
    found = next((one for one in standing if (one.host, one.project) == (host, project)), None)
    if found is None:
        raise UsageError(f"There is no lock on `{place.name}`.{_others(standing)}")
    return found


def _others(standing: list[Lock]) -> str:
    return f" Locked: {', '.join(f'`{one.name}`' for one in standing)}." if standing else " Nothing is locked."
