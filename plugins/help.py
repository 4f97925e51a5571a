"""What can be said, and who says it."""

from opsbot import NO_WORDS, Context, Text, UsageError, Words, command
from opsbot.model import Level
from opsbot.render.text import bold, join, lines, words
from opsbot.typed import shown, suggestion

#: What people say beside "help" without meaning a command.
_FILLERS = frozenset({"me", "please", "all", "with", "about"})


@command(name="help", aliases=("commands",))
async def help_(ctx: Context, about: Words = NO_WORDS) -> Text:
    """List the commands, or explain one: `help deploy`."""
    prefix, commands = ctx.site.config.prefix, ctx.site.commands
    problems = ctx.site.problems if ctx.person.level >= Level.ADMIN else ()
    asked = [word for word in about.split() if word.lower().strip(".,!?") not in _FILLERS]
    if not asked:
        listed = [part for level in Level for part in _of_level(level, ctx)]
        return lines(*listed, words(f"`{prefix}help COMMAND` tells more."), *problems)
    name = asked[0].removeprefix(prefix).lower().strip(".,!?")
    found = commands.find(name)
    if found is None:
        meant = suggestion(name, commands.words, shape=prefix + "{}")
        raise UsageError(f"There is no command `{shown(name)}`.{meant} `{prefix}help` lists them.")
    also = f" Also: {', '.join(f'`{prefix}{alias}`' for alias in found.aliases)}." if found.aliases else ""
    needs = f"For everybody of the level {found.needs} and above." if found.needs else "For everybody."
    return lines(join(words("Usage: "), bold(f"{prefix}{found.usage}")), words(found.help), words(needs + also))


def _of_level(level: Level, ctx: Context) -> list[Text]:
    prefix = ctx.site.config.prefix
    found = sorted((one for one in ctx.site.commands.values() if one.needs is level), key=lambda one: one.name)
    shown = [words(f"`{prefix}{one.short_usage}` {one.summary}") for one in found]
    return [bold(f"for {level}s and above" if level else "for everybody"), *shown] if shown else []


@command
async def whoami(ctx: Context) -> Text:
    """Show who I think you are, and what you may do."""
    person = ctx.person
    if not person.level:
        return words(
            f"I do not know `{ctx.message.sender}`. You may say hello and ask for help; "
            "an admin can add this account to my configuration."
        )
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
