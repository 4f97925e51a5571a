"""Look into a unit of the host, or restart it."""

from opsbot import Context, Text, Unit, command
from opsbot.render.text import lines, tail, words

#: The longest log in chat; more than this nobody reads on a phone.
_MOST = 100


@command(needs="contributor", aliases=("log",))
async def logs(ctx: Context, unit: Unit, count: int = 20) -> Text:
    """Show the last COUNT lines of a unit's journal."""
    host = ctx.host(ctx.site.owners.get(unit.name))
    found = await host.ask("logs", {"unit": unit.name, "lines": max(1, min(count, _MOST))})
    if not found["lines"]:
        return words(f"`{unit}` on `{host.name}` has said nothing.")
    return lines(words(f"`{unit}` on `{host.name}`:"), tail(found["lines"], count=count))


@command(needs="deployer")
async def restart(ctx: Context, unit: Unit) -> str:
    """Restart a unit: a project's own, or, for admins, any that the host lists."""
    host = ctx.host(ctx.site.owners.get(unit.name))
    await host.ask("restart", {"unit": unit.name})
    state = (await host.ask("facts", {"units": [unit.name]}))["units"][unit.name]
    return f"`{unit}` on `{host.name}` was restarted and is {state['active']}."
