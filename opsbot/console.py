"""What a person did at a host's console appears in the room: to a job of the bot's, or to what runs."""

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from opsbot.errors import OpsbotError
from opsbot.model import Job, Json, Outcome, Post, Text
from opsbot.ports import Diary
from opsbot.render.console import acted, became, moved
from opsbot.site import Site

log = logging.getLogger(__name__)

#: Seconds between two looks: one or two short questions to each host.
LOOK = 120.0
#: Characters of a job's id; on the host, later attempts have a few more.
_ID = 16
#: For so long the end of a job on the host is told that the bot could not bring to an end.
_LATELY = timedelta(days=7)
#: Ends of an activation on the host; one that is `stuck` was told with the job.
_ENDS = frozenset({"committed", "reverted", "rebooted"})


class Console:
    """Compares what hosts say of themselves with what was done through the bot; nothing from before SINCE is told."""

    def __init__(self, site: Site, diary: Diary, *, since: datetime | None = None) -> None:
        self._site = site
        self._diary = diary
        self._since = since or datetime.fromtimestamp(0, UTC)

    async def run(self) -> None:
        """Look for ever; a host that is away is looked at again."""
        while True:
            for name in self._site.hosts:
                try:
                    await self.look(name)
                except OpsbotError as error:
                    log.debug("console not looked at", extra={"host": name, "why": str(error)})
                except Exception:
                    # A helper of another version may answer anything; the bot lives on.
                    log.exception("console not understood", extra={"host": name})
            await asyncio.sleep(LOOK)

    async def look(self, host: str) -> None:
        """Look at one host, once. Raises what its questions raise, and ChatUnreachableError without a first room."""
        home = await self._site.chat.room_id(self._site.config.rooms[0])
        rows = await self._site.hosts[host].ask("list")
        for row in rows:
            await self._job(host, row, home)
        if not any(job.host == host for job in await self._site.ledger.jobs(open_only=True)):
            await self._running(host, home)

    async def _job(self, host: str, row: Json, home: str) -> None:
        job = await self._site.ledger.job(row["job"][:_ID])
        done = row.get("console")
        if done and datetime.fromtimestamp(done["at"], UTC) > self._since:
            cause = f"console:{host}:{row['job']}:{done['verb']}"
            await self._say(cause, home if job is None else job.room_id, acted(host, row, job))
        if job is not None and self._open_question(job) and row["activate"] in _ENDS:
            await self._say(f"became:{host}:{row['job']}", job.room_id, became(job, row))

    def _open_question(self, job: Job) -> bool:
        """Tell whether a job was ended without its true end being known."""
        lately = max(self._since, self._site.clock.now() - _LATELY)
        return job.outcome is Outcome.BROKEN and job.ended_at is not None and job.ended_at >= lately

    async def _running(self, host: str, home: str) -> None:
        key = f"console.running:{host}"
        known = json.loads(await self._diary.recall(key) or "{}")
        now = await self._what_runs(host)
        if now["system"] == known.get("system"):
            return
        if known and not await self._mine(host, now):
            maker = await self._site.ledger.job(now["job"][:_ID]) if now["job"] else None
            await self._say(f"moved:{host}:{now['system']}:{known['at']}", home, moved(host, now, maker))
        kept = {"system": now["system"], "at": self._site.clock.now().isoformat()}
        await self._diary.remember(key, json.dumps(kept))

    async def _what_runs(self, host: str) -> Mapping[str, Json]:
        generations = await self._site.hosts[host].ask("generations")
        running = next((one for one in generations if one["running"]), None)
        if running is not None:
            return {key: running.get(key) for key in ("system", "generation", "commit", "job")}
        # No generation at all: somebody tries one, as `nixos-rebuild test` does.
        facts = await self._site.hosts[host].ask("facts", {"units": []})
        return {"system": facts["running"], "generation": None, "commit": facts["commit"], "job": None}

    async def _mine(self, host: str, now: Mapping[str, Json]) -> bool:
        """Tell whether what runs is what the bot put there last; a reboot may have come between."""
        jobs = await self._site.ledger.jobs(limit=50)
        learnt = (job.details for job in jobs if job.host == host and (job.details or {}).get("generation") is not None)
        last: Json = next(learnt, None)
        return last is not None and bool(last.get("system") == now["system"] or last["generation"] == now["generation"])

    async def _say(self, cause: str, room_id: str, text: Text) -> None:
        if not await self._diary.said(cause):
            log.warning("done at the console", extra={"cause": cause})
        await self._site.outbox.post(Post(cause=cause, room_id=room_id, text=text))
