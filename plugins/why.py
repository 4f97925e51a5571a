"""Why somebody may say something, or may not."""

from opsbot import Context, RefusedError, Text, UsageError, Words, command
from opsbot.model import Level
from opsbot.render.text import words


@command(needs="member")
async def why(ctx: Context, question: Words) -> Text:
    """Tell whether a person may say a command, and for what reason: `why eve deploy hello-bot`.

    Without a person's name it is about you. Only admins may ask about others.
    """
    site = ctx.site
    first, _, rest = question.partition(" ")
    people = {person.name: person for person in site.config.people}
    person, asked = (people[first], rest) if first in people else (ctx.person, question)
    if person.name != ctx.person.name and ctx.person.level < Level.ADMIN:
        raise RefusedError("Only admins may ask about others.")
    name, _, arguments = asked.strip().removeprefix(site.config.prefix).partition(" ")
    if not name or (first in people and not rest):
        raise UsageError(f"Name a command, too: `{site.config.prefix}why {person.name} deploy platform`.")
    decision = site.decide(person, site.parse(name.lower(), arguments), ctx.rooms)
    answer = "may" if decision.allowed else "may not"
    return words(f"{person.name} {answer} say `{asked.strip()}`: {decision.words}")
