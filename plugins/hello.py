"""Say hello."""

from opsbot import command


@command
async def hello(name: str = "world") -> str:
    """Greet NAME."""
    return f"Hello, {name}!"
