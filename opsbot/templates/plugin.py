"""What the team does with example. Keep what you need of it; docs/plugins.md tells the rest."""

from opsbot import Context, Delivery, Tick, UsageError, command, hook, schedule


@command(needs="member")
async def example(ctx: Context, count: int = 1) -> str:
    """Count up by COUNT.

    This is what `help` shows; the first line stands in the list of all commands.
    """
    if count < 1:
        raise UsageError("Count up by one at least.")
    total = await ctx.storage.update("total", lambda before: before + count, 0)
    return f"{ctx.person.name} counts {count}; that makes {total}."


@schedule("0 9 * * mon-fri")
async def example_morning(ctx: Tick) -> str | None:
    """Say how far the team has counted, if it has."""
    total = await ctx.storage.get("total", 0)
    return f"Good morning. We are at {total}." if total else None


@hook
async def example_call(ctx: Delivery) -> str:
    """Say what another program tells."""
    said = ctx.json()
    if not isinstance(said, dict) or not isinstance(said.get("text"), str):
        raise UsageError('Send JSON like {"text": "Hello."}.')
    return f"Somebody calls: {said['text']}"
