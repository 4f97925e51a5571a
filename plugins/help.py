"""What can be said, and who says it."""

from opsbot import Context, Text, UsageError, command
from opsbot.commands import suggestion
from opsbot.render.text import bold, join, lines, table, words


@command(name="help")
async def help_(ctx: Context, about: str = "") -> Text:
    """List the commands, or explain one: `help deploy`."""
    prefix, commands = ctx.site.config.prefix, ctx.site.commands
    if not about:
        known = sorted(commands.values(), key=lambda one: (one.needs, one.name))
        rows = [(f"{prefix}{one.usage.split()[0]}", one.summary, _level(one.needs.name)) for one in known]
        return lines(table(rows), words(f"`{prefix}help COMMAND` tells more."))
    name = about.removeprefix(prefix).lower()
    if name not in commands:
        raise UsageError(f"There is no command `{about}`.{suggestion(name, commands.keys(), shape=prefix + '{}')}")
    found = commands[name]
    needs = f"For everybody of the level {found.needs} and above." if found.needs else "For everybody."
    return lines(join(words("Usage: "), bold(f"{prefix}{found.usage}")), words(found.help), words(needs))


def _level(name: str) -> str:
    return "" if name == "STRANGER" else name.lower()


@command
async def whoami(ctx: Context) -> Text:
    """Show who I think you are, and what you may do."""
    person = ctx.person
    if not person.level:
        return words(f"I do not know `{ctx.message.sender}`. You may say hello and ask for help; an admin can add you.")
    accounts = ", ".join(
        f"`{one}`" for one in [*sorted(person.accounts), *(f"Slack {s}" for s in sorted(person.slack))]
    )
    theirs = "all projects" if person.projects is None else ", ".join(sorted(person.projects)) or "no project"
    may = [
        one.name for one in sorted(ctx.site.commands.values(), key=lambda one: one.name) if one.needs <= person.level
    ]
    return lines(
        words(f"You are {person.name}, {person.level}; this is `{ctx.message.sender}`."),
        words(f"Your accounts: {accounts}."),
        words(f"You may say: {', '.join(may)}."),
        words(f"You may deploy: {theirs}.") if "deploy" in may else None,
    )
