"""Why somebody may say something, or may not."""

from typing import ClassVar

from opsbot import Context, RefusedError, Text, UsageError, Words, command
from opsbot.commands import Command
from opsbot.model import Decision, Level, Person
from opsbot.parsing import Invocation
from opsbot.render.text import words
from opsbot.typed import shown, suggestion


class Question(Words):
    """Perhaps a person, and a command with its arguments."""

    __slots__ = ()
    USAGE: ClassVar = "[PERSON] COMMAND"
    WORD: ClassVar = "COMMAND"


@command(needs="member")
async def why(ctx: Context, question: Question) -> Text:
    """Tell whether a person may say a command, and for what reason: `why eve deploy hello-bot`.

    Without a person's name it is about you. Only admins may ask about others.
    """
    site, prefix = ctx.site, ctx.site.config.prefix
    first, _, rest = question.partition(" ")
    named = next((one for one in site.config.people if first == one.name or first in one.accounts), None)
    person, asked = (ctx.person, question) if named is None else (named, rest.strip())
    if person.name != ctx.person.name and ctx.person.level < Level.ADMIN:
        raise RefusedError("Only admins may ask about others.")
    name, _, arguments = asked.removeprefix(prefix).partition(" ")
    if not name:
        raise UsageError(f"Name a command, too: `{prefix}why {person.name} deploy platform`.")
    about = site.commands.find(name.lower())
    if about is None:
        known = [*site.commands.words, *(one.name for one in site.config.people)]
        raise UsageError(f"There is no person and no command `{shown(name)}`.{suggestion(name, known)}")
    decision = _decide(ctx, person, about, arguments)
    answer = "may" if decision.allowed else "may not"
    return words(f"{person.name} {answer} say `{shown(asked)}`: {decision.words}")


def _decide(ctx: Context, person: Person, about: Command, arguments: str) -> Decision:
    try:
        return ctx.site.decide(person, ctx.site.parse(about.name, arguments), ctx.rooms)
    except UsageError:
        # Who may not say it at all need not first learn how it is written.
        at_all = ctx.site.decide(person, Invocation(command=about, arguments={}), ctx.rooms)
        if at_all.allowed:
            raise
        return at_all
