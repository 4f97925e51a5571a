"""Look into a unit of the host, or restart it."""

from opsbot import Context, Text, Unit, command
from opsbot.render.text import lines, tail, words
from opsbot.typed import suggestion

#: The longest log in chat; more than this nobody reads on a phone.
_MOST = 100


#: What journalctl says of a unit without entries.
_EMPTY = "-- No entries --"


@command(needs="contributor", aliases=("log",))
async def logs(ctx: Context, unit: Unit, count: int = 20) -> Text:
    """Show the last COUNT lines of a unit's journal."""
    host = ctx.host(ctx.site.owners.get(unit.name))
    found = await host.ask("logs", {"unit": unit.name, "lines": max(1, min(count, _MOST))})
    if not found["lines"] or found["lines"] == [_EMPTY]:
        known = {one.unit for one in ctx.site.config.services.values() if one.unit}
        meant = "" if unit.name in known else suggestion(unit.name, known)
        return words(f"`{unit}` on `{host.name}` has said nothing, or is not there.{meant}")
    more = f", the last {_MOST} lines" if count > _MOST else ""
    return lines(words(f"`{unit}` on `{host.name}`{more}:"), tail(found["lines"], count=min(count, _MOST)))


@command(needs="deployer")
async def restart(ctx: Context, unit: Unit) -> str:
    """Restart a unit: a project's own, or, for admins, any that the host lists."""
    host = ctx.host(ctx.site.owners.get(unit.name))
    await host.ask("restart", {"unit": unit.name})
    state = (await host.ask("facts", {"units": [unit.name]}))["units"][unit.name]
    return f"`{unit}` on `{host.name}` was restarted and is {state['active']}."
