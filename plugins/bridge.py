"""Look at the way to Slack."""

from datetime import datetime

from opsbot import Context, Text, command
from opsbot.errors import BridgeError
from opsbot.render.text import bold, lines, table, words
from opsbot.render.times import age, span


@command(needs="member", aliases=("slack-bridge",))
async def bridge(ctx: Context) -> Text:
    """Show how the Slack bridge is: its logins, the last message each way, and what to do when it is broken."""
    slack, now = ctx.site.slack, ctx.site.clock.now()
    if slack is None:
        return words("I cannot ask the bridge: `bridge.url` and `bridge.secret_file` are not in my configuration.")
    wrong, news = await slack.wrong(), await slack.news()
    try:
        logins = await slack.logins()
    except BridgeError:
        logins = ()
    rows = [
        (one.name, one.state.lower(), f"for {span(now.timestamp() - one.since)}" if one.since else "") for one in logins
    ]
    problem = f"The last message was not taken: `{news.problem}`; {news.waiting} wait." if news.problem else None
    return lines(
        bold("Slack"),
        words(f"✗ {wrong}") if wrong else words("✓ The bridge hears Slack."),
        table(rows) if rows else None,
        words(f"last heard from there: {_when(news.heard, now)}; last message there: {_when(news.sent, now)}"),
        words(problem) if problem else None,
    )


def _when(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else age((now - moment).total_seconds())
