"""When Slack cannot be reached, the team's room on Matrix learns it: what is said there meanwhile does not arrive."""

import asyncio
import contextlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from opsbot.errors import ChatUnreachableError
from opsbot.letters import Memory
from opsbot.model import Post
from opsbot.ports import Slack
from opsbot.render.text import words
from opsbot.render.times import clock
from opsbot.site import Site

log = logging.getLogger(__name__)

#: Seconds between two looks, and while something is wrong; and until the first one: the rooms are entered before.
LOOK, SOON, FIRST = 30.0, 10.0, 3.0
#: A disturbance that is shorter is nobody's business.
PATIENCE = timedelta(seconds=60)
#: Between two self-tests while all is well; in an outage there is one with each look.
TEST = timedelta(minutes=10)
_KEY = "slack.watch"


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of the way to Slack; it outlives the process."""

    #: When it was last known to be well.
    well: datetime | None = None
    #: When the outage was noticed that there is now.
    noticed: datetime | None = None
    told: bool = False

    @property
    def since(self) -> datetime | None:
        """Since when words may be lost."""
        return self.noticed and (self.well or self.noticed)

    def written(self) -> str:
        """Return it as it is kept."""
        return json.dumps(asdict(self), default=datetime.isoformat)


def _read(kept: str | None) -> _Known:
    said = json.loads(kept or "{}")
    moments = {key: datetime.fromisoformat(said[key]) for key in ("well", "noticed") if said.get(key)}
    return _Known(told=bool(said.get("told")), **moments)


class SlackWatch:
    """Looks at the bridge and tests it, and tells once of each outage that it began, and from when to when it was."""

    def __init__(self, site: Site, memory: Memory) -> None:
        self._site = site
        self._memory = memory
        self._known: _Known | None = None
        #: When the last test of this process was, and when it was last remembered that all is well.
        self._tested: datetime | None = None
        self._kept: datetime | None = None

    async def run(self) -> None:
        """Look for ever, if there is a bridge that can be asked."""
        pause = FIRST
        while self._site.slack is not None:
            await asyncio.sleep(pause)
            with contextlib.suppress(ChatUnreachableError):
                await self.look(self._site.slack)
            pause = SOON if self._known and self._known.noticed else LOOK

    async def look(self, slack: Slack) -> None:
        """Look once. Raises ChatUnreachableError while the homeserver is away: nothing is known of Slack then."""
        if self._known is None:
            self._known = _read(await self._memory.recall(_KEY))
        now = self._site.clock.now()
        wrong = await slack.wrong() or await self._failing(slack, now)
        if wrong:
            await self._lost(self._known, now, wrong)
        else:
            await self._well(self._known, now)

    async def _failing(self, slack: Slack, now: datetime) -> str:
        """Test the way to Slack if it is time to; return what is wrong with it."""
        calm = self._known is not None and self._known.noticed is None
        if calm and self._tested is not None and now - self._tested < TEST:
            return ""
        proof = await slack.test()
        if proof is not None and proof.busy:
            # It was reached; only the message was one too many.
            self._tested = now - TEST + PATIENCE
            return ""
        self._tested = now
        return "" if proof is None else proof.problem

    async def _lost(self, known: _Known, now: datetime, wrong: str) -> None:
        if known.noticed is None:
            known = await self._keep(replace(known, noticed=now))
        if known.noticed and known.since and not known.told and now - known.noticed >= PATIENCE:
            lost = "What is said there meanwhile may not reach me."
            advice = f"`{self._site.config.prefix}bridge` shows how it is now."
            sentence = f"⚠️ Slack is not reached since {self._hour(known.since, now)}. {wrong} {lost} {advice}"
            await self._say("lost", known.since, sentence)
            await self._keep(replace(known, told=True))

    async def _well(self, known: _Known, now: datetime) -> None:
        if known.since and known.told:
            span = f"from {self._hour(known.since, now)} to {self._hour(now, now)}"
            sentence = f"Slack is reached again. What was said there {span} may not have reached me."
            await self._say("back", known.since, sentence)
        self._known = _Known(well=now)
        if known.noticed is not None or self._kept is None or now - self._kept >= TEST:
            self._kept = now
            await self._keep(self._known)

    async def _keep(self, known: _Known) -> _Known:
        self._known = known
        await self._memory.remember(_KEY, known.written())
        return known

    async def _say(self, what: str, since: datetime, sentence: str) -> None:
        home = await self._site.chat.room_id(self._site.config.rooms[0])
        log.warning("slack", extra={"what": what})
        # Said once, though the process end before it is remembered that it was.
        cause = f"slack-{what}:{since.isoformat()}"
        await self._site.outbox.post(Post(cause=cause, room_id=home, text=words(sentence)))

    def _hour(self, moment: datetime, now: datetime) -> str:
        config = self._site.config
        return clock(moment, config.zone_of(config.rooms[:1]), now)
