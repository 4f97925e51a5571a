"""What a job tells while it runs: its stages, kept in the ledger, and one message that is edited."""

from collections import deque
from dataclasses import replace

from opsbot.errors import ChatRefusedError, ChatUnreachableError
from opsbot.happened import JobEnded, StageBegun, StageEnded
from opsbot.jobs.ending import Ending
from opsbot.model import Job, Json, Post, Text
from opsbot.render.jobs import LIVE_LINES, closing_line, final_report, first_words, report, report_cause
from opsbot.render.text import lines, words
from opsbot.site import Site

#: Seconds between two edits that only bring new lines of a log; the outbox thins them out further.
_BREATH = 1.0
#: Seconds between two tries to get something through the room.
_AGAIN = 0.5
#: The longest part of a log line that is kept.
_WIDTH = 300


class Progress:
    """The report of one job."""

    def __init__(self, job: Job, site: Site) -> None:
        self._job = job
        self._site = site
        self._stages: dict[str, Json] = dict((job.details or {}).get("stages", {}))
        self._log: deque[str] = deque(maxlen=LIVE_LINES)
        self._partial = ""
        self._shown_at = 0.0
        self._edits = 0

    @property
    def _now(self) -> float:
        return self._site.clock.now().timestamp()

    async def begin(self, stage: str, note: str = "") -> None:
        """Say that a stage begins; begun again after a restart it keeps its first time."""
        if "took" not in self._stages.get(stage, {}):
            self._stages.setdefault(stage, {"began": self._now})
        else:
            self._stages[stage] = {"began": self._now}
        if note:
            self._stages[stage] = {**self._stages[stage], "note": note}
        self._site.tell(StageBegun(job=self._job, stage=stage))
        self._log.clear()
        await self._keep(stage)

    async def note(self, stage: str, words: str) -> None:
        """Say something about a stage; the same words twice are said once."""
        if self._stages[stage].get("note") != words:
            self._stages[stage] = {**self._stages[stage], "note": words}
            await self._keep(stage)

    async def finish(self, stage: str, note: str) -> None:
        """Say that a stage is over, and what came of it."""
        began = self._stages[stage]["began"]
        took = max(self._now - began, 0.0)
        self._stages[stage] = {"began": began, "took": took, "note": note}
        self._site.tell(StageEnded(job=self._job, stage=stage, seconds=took))
        self._log.clear()
        await self._keep(stage)

    async def log(self, text: str) -> None:
        """Take a piece of a log, and show its last lines."""
        *whole, self._partial = (self._partial[-_WIDTH:] + text).split("\n")
        self._log.extend(line[:_WIDTH] for line in whole[-LIVE_LINES:] if line.strip())
        if self._now - self._shown_at >= _BREATH:
            await self._show()

    async def _keep(self, stage: str) -> None:
        await self._site.ledger.at_stage(self._job.id, stage, {"stages": self._stages})
        await self._show()

    async def _show(self) -> None:
        self._shown_at = self._now
        self._edits += 1  # two edits at the same moment are two all the same
        text = report(self._job, self._stages, now=self._now, log=tuple(self._log))
        await self._site.outbox.post(first_words(self._job), self._edit(f"{self._now:.3f}.{self._edits}", text))

    def _edit(self, mark: str, text: Text) -> Post:
        edits = report_cause(self._job)
        return replace(first_words(self._job), cause=f"{edits}:{mark}", text=text, edits=edits)

    async def heard(self) -> bool:
        """Return whether the room has this job's report, and more gets through to it."""
        try:
            await self._site.outbox.sent(report_cause(self._job), within=_BREATH)
        except (ChatRefusedError, ChatUnreachableError):
            return False
        return await self.prove(within=0.0)

    async def prove(self, *, within: float) -> bool:
        """Send something through the room and read it back; return whether that went well WITHIN so many seconds.

        No edit of the report: edits wait for one another, and a deploy must not wait for them.
        """
        until = self._now + within
        while True:
            try:
                await self._site.chat.round_trip(self._job.room_id)
            except (ChatRefusedError, ChatUnreachableError):
                if self._now >= until:
                    return False
                await self._site.clock.sleep(_AGAIN)
            else:
                return True

    async def end(self, ending: Ending) -> None:
        """Store the end together with the last messages."""
        job, outcome, headline = self._job, ending.outcome, ending.headline
        parts = [part for part in (await self._overridden(), ending.more) if part is not None and part.body]
        more = lines(*parts) if parts else None
        text = final_report(job, self._stages, outcome=outcome, headline=headline, more=more)
        closing = Post(cause=f"{job.id}:closing", room_id=job.room_id, text=closing_line(job, outcome, headline))
        posts = [first_words(job), self._edit("end", text), closing]
        if await self._site.ledger.end(job.id, outcome, posts, {**ending.details, "headline": headline}):
            seconds = max(self._now - job.created_at.timestamp(), 0.0)
            self._site.tell(JobEnded(job=job, outcome=outcome, seconds=seconds))

    async def _overridden(self) -> Text | None:
        """Say what `--force` went past."""
        job = await self._site.ledger.job(self._job.id)
        passed = [] if job is None else job.details.get("overridden", [])
        return words(f"Forced past: {' '.join(passed)}") if passed else None
