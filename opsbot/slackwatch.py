"""When Slack cannot be reached, the team's room on Matrix learns it: what is said there meanwhile does not arrive."""

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta

from opsbot.errors import ChatUnreachableError
from opsbot.model import Post
from opsbot.render.text import words
from opsbot.site import Site

log = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK = 30.0
#: A disturbance that is shorter is nobody's business.
PATIENCE = timedelta(seconds=60)


class SlackWatch:
    """Looks at the bridge, and tells once of each outage that it began, and from when to when it was."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._since: datetime | None = None
        self._told = False

    async def run(self) -> None:
        """Look for ever, if there is a bridge that can be asked."""
        while self._site.slack is not None:
            with contextlib.suppress(ChatUnreachableError):
                await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Look once. Raises ChatUnreachableError while nobody knows the first room."""
        if self._site.slack is None:
            return
        wrong, now = await self._site.slack.wrong(), self._site.clock.now()
        if not wrong:
            await self._back(now)
            return
        if self._since is None:
            self._since = now
        if not self._told and now - self._since >= PATIENCE:
            advice = f"`{self._site.config.prefix}bridge` shows how it is now."
            await self._say("lost", f"⚠️ Slack is not reached since {self._hour(self._since)}. {wrong} {advice}")
            self._told = True

    async def _back(self, now: datetime) -> None:
        since, told = self._since, self._told
        if since is not None and told:
            span = f"from {self._hour(since)} to {self._hour(now)}"
            await self._say("back", f"Slack is reached again. What was said there {span} may not have reached me.")
        self._since, self._told = None, False

    async def _say(self, what: str, sentence: str) -> None:
        assert self._since is not None  # noqa: S101 - nothing is said before something is wrong
        home = await self._site.chat.room_id(self._site.config.rooms[0])
        log.warning("slack", extra={"what": what})
        cause = f"slack-{what}:{self._since.isoformat()}"
        await self._site.outbox.post(Post(cause=cause, room_id=home, text=words(sentence)))

    def _hour(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._site.config.zone):%H:%M}"
