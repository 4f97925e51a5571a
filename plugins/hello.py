"""Say hello."""

from opsbot import NO_WORDS, Context, Words, command


@command(aliases=("hi", "hey"))
async def hello(name: str = "world") -> str:
    """Greet NAME."""
    return f"Hello, {name}!"


@command(aliases=("thank", "thx", "cheers"))
async def thanks(ctx: Context, more: Words = NO_WORDS) -> str:  # noqa: ARG001 - "thanks a lot"
    """Be polite."""
    return "You are welcome." if not ctx.person.level else f"You are welcome, {ctx.person.name}."
