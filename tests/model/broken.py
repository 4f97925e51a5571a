"""Parts that break one promise each: what the model is worth is how soon it finds them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from opsbot.model import Job, Json, Outcome, Post
from opsbot.ports import Clock
from opsbot.store.ledger import Ledger
from opsbot.store.rows import find_job
from opsbot.store.schema import locks
from opsbot.testimony import Verdict
from opsbot.testing.room import FakeRoom


class StickyLedger(Ledger):
    """Does not let go of the lock of a job that was cancelled."""

    async def take_lock(self, host: str, job_id: str) -> Job | None:
        """Take a host's lock, unless a cancelled job had it last."""
        query = select(locks.c.job_id).where(locks.c.host == host)
        last = await self._database.read(lambda c: find_job(c, c.execute(query).scalar_one_or_none() or ""))
        if last is not None and last.id != job_id and last.outcome == "cancelled":
            return last
        return await super().take_lock(host, job_id)


class GullibleLedger(Ledger):
    """Takes every request for agreed to."""

    async def verdict(self, job_id: str, system: str, base: str) -> Verdict | None:
        """Return somebody's word, whether they have said it or not."""
        job = await self.job(job_id)
        assert job is not None
        other = "deployer" if job.person == "admin" else "admin"
        return Verdict(
            job_id=job_id,
            system=system,
            base=base,
            agreed=True,
            person=other,
            account=f"@{other}:example.org",
            reason="",
            alone=False,
            at=job.created_at,
        )


class BoastfulLedger(Ledger):
    """Says that what was undone is done."""

    async def end(self, job_id: str, outcome: Outcome, posts: Sequence[Post], details: Mapping[str, Json]) -> bool:
        """End a job well, whatever came of it."""
        told = Outcome.DONE if outcome is Outcome.UNDONE else outcome
        return await super().end(job_id, told, posts, details)


class ForgetfulRoom(FakeRoom):
    """Takes the same message twice for two; the answer to the first is lost."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.lose_next = 1

    def _take(self, transaction: str, content: Any) -> str:
        # Under another name the former event still counts, so that no two have the same id.
        if former := self._events.pop(transaction, ""):
            self._events[f"{transaction} as {former}"] = former
        return super()._take(transaction, content)
