"""How everything is: services, hosts, projects, generations."""

from opsbot import Context, Text, command
from opsbot.model import Level
from opsbot.render.jobs import short
from opsbot.render.status import status_text
from opsbot.render.text import bold, lines, table, words
from opsbot.render.times import age
from opsbot.status import gather

#: How many generations are shown.
_NEWEST = 12


@command(needs="member", aliases=("st",))
async def status(ctx: Context, about: str = "") -> Text:
    """Show services, certificates, the host, what runs and what is newer, jobs and holds.

    ABOUT is a service, a project or a host, when only that is wanted.
    """
    return status_text(await gather(ctx.site, about=about), ctx.site.config.services, now=ctx.site.clock.now())


@command(needs="member")
async def projects(ctx: Context) -> Text:
    """List the projects and the hosts that they run on."""
    known = ctx.site.config.projects
    if not known:
        return words("No project is configured.")
    theirs = ctx.person.projects if ctx.person.level >= Level.DEPLOYER else frozenset()
    rows = [(name, one.host, "yours" if theirs is None or name in theirs else "") for name, one in known.items()]
    return table([("project", "host", ""), *rows])


@command(needs="member", aliases=("gens",))
async def generations(ctx: Context) -> Text:
    """List the newest generations of the host: number, when, commit, and the projects that it moved."""
    host = ctx.host()
    found = await host.ask("generations")
    now = ctx.site.clock.now().timestamp()
    rows = [
        (
            f"{'→' if one['running'] else ' '} {one['generation']}",
            age(now - one["date"]),
            short(one["commit"]),
            "next boot" if one.get("staged") else "proved" if one["proved"] else "",
            " ".join(f"{name}:{short(pin)}" for name, pin in sorted(one["pins"].items()) if pin != before.get(name)),
        )
        for one, before in zip(found[:_NEWEST], [*(older["pins"] for older in found[1:]), {}], strict=False)
    ]
    return lines(bold(host.name), table(rows))
