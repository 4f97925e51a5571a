import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opsbot.locks import Lock
from opsbot.model import Job, JobKind, Outcome
from opsbot.store.database import Database
from opsbot.store.inbox import Inbox
from opsbot.store.ledger import Ledger

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LOCK = Lock(host="ops", project="hello-bot", by="eve", reason="mine", since=NOW, cause="$1")


async def opened(database: Database, name: str, kind: JobKind = JobKind.DEPLOY, **more: object) -> Job:
    """Open a job, as a command does."""
    job = Job(
        id=name,
        kind=kind,
        host="ops",
        project="hello-bot",
        target="main",
        person="eve",
        room_id="!r",
        event_id=f"${name}",
        thread=f"${name}",
        details={"options": ["wait"]},
    )
    made = await Inbox(database).finish(job.event_id, job=replace(job, **more))  # type: ignore[arg-type]
    assert made is not None
    return made


async def test_one_lock_stands_at_a_place(database: Database) -> None:
    """Of many who lock the same place at once one has it, and the others are told whose it is."""
    ledger = Ledger(database)
    wanted = [replace(LOCK, by=f"p{n}", cause=f"${n}") for n in range(8)]

    stands = await asyncio.gather(*(ledger.put_lock(one) for one in wanted))

    assert await ledger.locks() == [stands[0]]
    assert len(set(stands)) == 1
    assert await ledger.put_lock(replace(LOCK, project="", by="dan")) != stands[0]


async def test_only_the_very_lock_that_was_seen_is_taken_away(database: Database) -> None:
    """A lock that was put anew, by whomever, is another one."""
    ledger = Ledger(database)
    await ledger.put_lock(LOCK)
    anew = await ledger.put_lock(replace(LOCK, reason="mine again", cause="$2"))

    assert not await ledger.take_away(LOCK)
    assert await ledger.locks() == [anew]
    assert await ledger.take_away(anew)
    assert not await ledger.take_away(anew)


async def test_one_job_passes_at_a_time(database: Database) -> None:
    """Of deploys that come to a host at once the first by its number passes, and the others stand behind it."""
    ledger = Ledger(database)
    jobs = [await opened(database, f"j{n}", project=f"p{n}") for n in range(4)]

    places = await asyncio.gather(*(ledger.enter(job.id) for job in reversed(jobs)))

    assert [[one.number for one in place] for place in reversed(places)] == [[], [1], [1, 2], [1, 2, 3]]
    assert await ledger.enter("j0") == []
    await ledger.end("j0", Outcome.FAILED, [], {})
    assert await ledger.enter("j1") == []


async def test_what_takes_the_place_of_another_one_is_known_to_both(database: Database) -> None:
    """A newer deploy of the same project puts the one that waits out of the line, once, however often it asks."""
    ledger = Ledger(database)
    for n, project in enumerate(("web-shop", "hello-bot", "hello-bot")):
        await opened(database, f"j{n}", project=project)
    await ledger.enter("j0")
    await ledger.enter("j1")

    for _ in range(2):
        assert [one.id for one in await ledger.enter("j2")] == ["j0"]

    old, new = await ledger.job("j1"), await ledger.job("j2")
    assert old is not None
    assert new is not None
    assert (old.details["replaced_by"], new.details["replaces"]) == (3, [2])


async def test_a_rollback_goes_ahead_of_what_waits(database: Database) -> None:
    """Who waits in the line waits for a rollback that came later, too; who has passed does not."""
    ledger = Ledger(database)
    await opened(database, "j0", project="web-shop")
    await opened(database, "j1")
    await ledger.enter("j0")
    await ledger.enter("j1")
    await opened(database, "j2", JobKind.ROLLBACK, project="")

    assert [one.id for one in await ledger.enter("j1")] == ["j2", "j0"]
    assert await ledger.enter("j0") == []
    await ledger.end("j0", Outcome.DONE, [], {})
    assert [one.id for one in await ledger.enter("j1")] == ["j2"]


async def test_nobody_waits_for_a_dry_run(database: Database) -> None:
    """A dry run changes nothing, so a deploy that was asked for later passes it, and one on another host does."""
    ledger = Ledger(database)
    await opened(database, "j0", dry_run=True)
    await opened(database, "j1", host="other")
    await opened(database, "j2")

    assert await ledger.enter("j2") == []


@pytest.mark.parametrize("kind", [JobKind.ROLLBACK, JobKind.PUBLISH])
async def test_only_deploys_stand_in_the_line(database: Database, kind: JobKind) -> None:
    """Going back and publishing stand in no line."""
    ledger = Ledger(database)
    await opened(database, "j0")
    await ledger.enter("j0")
    await opened(database, "j1", kind, project="")

    assert await ledger.enter("j1") == []


async def test_a_rollback_has_the_host_before_deploys_that_wait_for_it(database: Database) -> None:
    """When a host's lock becomes free, a rollback that waits for it has it first, and then deploys by their numbers."""
    ledger = Ledger(database)
    first, second = await opened(database, "j0", stage="turn"), await opened(database, "j1", stage="turn")
    back = await opened(database, "j2", JobKind.ROLLBACK, stage="turn", project="")

    assert await ledger.take_lock("ops", first.id) == back
    assert await ledger.take_lock("ops", back.id) is None
    await ledger.end(back.id, Outcome.DONE, [], {})
    assert await ledger.take_lock("ops", second.id) == first
    assert await ledger.take_lock("ops", first.id) is None


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_an_end_of_any_kind_frees_a_jobs_lock(database: Database, outcome: Outcome) -> None:
    """A job's own lock is gone with its end, whatever became of it."""
    ledger = Ledger(database)
    await opened(database, "j0")
    await opened(database, "j1", project="web-shop")
    assert await ledger.take_lock("ops", "j0") is None
    assert await ledger.take_lock("ops", "j1") is not None

    await ledger.end("j0", outcome, [], {})

    assert await ledger.lock_holder("ops") is None
    assert await ledger.take_lock("ops", "j1") is None
