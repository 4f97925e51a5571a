"""Look at the way to Slack."""

from collections.abc import Sequence
from datetime import datetime

from opsbot import Context, Text, command
from opsbot.bridged import Portal, SlackProof
from opsbot.errors import BridgeError, ChatUnreachableError
from opsbot.model import SlackNews
from opsbot.ports import Slack
from opsbot.receipts import advice
from opsbot.render.text import bold, lines, table, words
from opsbot.render.times import age, duration, span

#: How many channels are named.
_NAMED = 20


@command(needs="member", aliases=("slack-bridge",))
async def bridge(ctx: Context) -> Text:
    """Show how the Slack bridge is: its logins, channels and self-test, the last message each way, and what to do."""
    slack, now = ctx.site.slack, ctx.site.clock.now()
    if slack is None:
        return words("I cannot ask the bridge: `bridge.url` and `bridge.secret_file` are not in my configuration.")
    wrong, news = await slack.wrong(), await slack.news()
    return lines(
        bold("Slack"),
        words(f"✗ {wrong}") if wrong else words("✓ The bridge hears Slack."),
        await _logins(slack, now),
        await _channels(slack),
        words(_tested(await slack.tested(), now)),
        words(f"last heard from there: {_when(news.heard, now)}; last message there: {_when(news.sent, now)}"),
        words(_problem(news, wrong)) if news.problem else None,
    )


async def _logins(slack: Slack, now: datetime) -> Text | None:
    try:
        logins = await slack.logins()
    except BridgeError:
        return None
    rows = [
        (one.name, one.state.lower(), f"for {span(now.timestamp() - one.since)}" if one.since else "") for one in logins
    ]
    return table(rows) if rows else None


async def _channels(slack: Slack) -> Text:
    try:
        channels = await slack.channels()
    except ChatUnreachableError:
        return words("channels: the homeserver does not tell")
    heard, unheard = ([portal for portal, listens in channels if listens is wanted] for wanted in (True, False))
    aside = f"; not in `bridge.channels`: {_names(unheard)}" if unheard else ""
    return words(f"channels where I listen: {_names(heard) or 'none'}{aside}")


def _names(portals: Sequence[Portal]) -> str:
    more = f" and {len(portals) - _NAMED} more" if len(portals) > _NAMED else ""
    return ", ".join(f"`{one.name or one.channel}`" for one in portals[:_NAMED]) + more


def _tested(proof: SlackProof | None, now: datetime) -> str:
    if proof is None:
        return "self-test: none so far; it needs a channel of its own, `bridge.test_channel`"
    when = age((now - proof.at).total_seconds())
    if proof.problem:
        return f"✗ self-test, {when}: {proof.problem}"
    return f"✓ self-test, {when}: Slack had the message after {duration(proof.seconds)}"


def _problem(news: SlackNews, wrong: str) -> str:
    """Return what became of the last message; what helps is said once, if it is what helps against what is WRONG."""
    told = advice(news.problem)
    waiting = f"{news.waiting} {'waits' if news.waiting == 1 else 'wait'} to be sent again." if news.waiting else ""
    return " ".join(
        filter(None, (f"The last message was not taken: `{news.problem}`.", told if told != wrong else "", waiting))
    )


def _when(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else age((now - moment).total_seconds())
