"""Nothing is silent: what would end without a word is found here, logged, and told in one sentence."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from opsbot.errors import ChatUnreachableError
from opsbot.model import Job, Post, Unsaid
from opsbot.ports import Records
from opsbot.render.jobs import quiet_words, report_cause
from opsbot.render.text import words
from opsbot.site import Site

log = logging.getLogger(__name__)

#: Seconds between two looks, and between two rounds of forgetting; and until the next few rows are forgotten.
LOOK, PRUNE, BREATH = 30.0, 3600.0, 0.2
#: A job that has said nothing for so long is told about.
QUIET = timedelta(minutes=30)
#: What is remembered of ended work beside its job, and how long.
KEPT = timedelta(days=60)
#: Stages in which a person is waited for, who is reminded of it, or other jobs, which are looked at themselves.
_PATIENT = frozenset({"approval", "queue"})
#: What the causes of sentences about unsaid messages begin with: in the room itself, and at home.
_HERE, _HOME = "unsaid:", "unsaid-home:"


class Watchdog:
    """Looks, every LOOK seconds, for what nobody would hear of; FORGET also forgets what the engine remembers."""

    def __init__(self, site: Site, records: Records, *, forget: Callable[[datetime], Awaitable[int]]) -> None:
        self._site = site
        self._records = records
        self._forget = forget
        self._pruned: datetime | None = None

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await self.look()
            now = self._site.clock.now()
            if self._pruned is None or (now - self._pruned).total_seconds() > PRUNE:
                self._pruned = now
                await self.prune()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Look once."""
        home = ""
        with contextlib.suppress(ChatUnreachableError):
            home = await self._site.chat.room_id(self._site.config.rooms[0])
        if home:
            hour = f"{self._site.clock.now():%Y-%m-%dT%H}"
            await self._records.tell_refused(lambda refused: _about(refused, home, hour, self._site.config.prefix))
        for job in await self._site.ledger.jobs(open_only=True):
            await self._quiet(job)

    async def _quiet(self, job: Job) -> None:
        now = self._site.clock.now()
        news = await self._records.last_said(report_cause(job)) or job.created_at
        if job.stage in _PATIENT or now - news <= QUIET:
            return
        text = quiet_words(job, seconds=(now - news).total_seconds(), prefix=self._site.config.prefix)
        post = Post(cause=f"{job.id}:quiet:{job.stage}", room_id=job.room_id, text=text, thread=job.thread)
        log.warning("job without news", extra={"job": job.number, "stage": job.stage, "since": news.isoformat()})
        await self._site.outbox.post(post)

    async def prune(self) -> None:
        """Forget all that is of no use any more, a few rows at a time."""
        now, rows = self._site.clock.now(), 0
        while found := await self._records.prune(now):
            rows += found
            await asyncio.sleep(BREATH)
        while found := await self._forget(now - KEPT):
            rows += found
            await asyncio.sleep(BREATH)
        if rows:
            log.info("forgotten", extra={"rows": rows})


def _about(refused: Sequence[Unsaid], home: str, hour: str, prefix: str) -> list[Post]:
    """Say once in each thread that something was not said there; where even that is refused, say it at home."""
    posts: dict[str, Post] = {}
    for one in refused:
        log.warning("message not said", extra={"room": one.room_id, "cause": one.cause, "why": one.reason})
        told = one.cause.startswith(_HERE)
        if one.cause.startswith(_HOME) or (told and one.room_id == home):
            continue  # nobody is left who could be told; the log has it
        where, room_id, thread = (f" in `{one.room_id}`", home, None) if told else ("", one.room_id, one.thread)
        sentence = (
            f"⚠️ The homeserver did not take what I had to say{where}: {one.reason.rstrip('.')}. `{prefix}jobs` and "
            f"`{prefix}status` show where things stand; ask again for what you miss."
        )
        # Whoever is put out of a room has a hundred edits refused: one sentence an hour is enough.
        cause = f"{_HOME if told else _HERE}{one.room_id}:{thread or ''}:{hour}"
        posts[cause] = Post(cause=cause, room_id=room_id, text=words(sentence), thread=thread)
    return list(posts.values())
