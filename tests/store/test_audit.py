from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from opsbot.model import Decision, Job, JobKind, Message, Outcome, job_id
from opsbot.store.audit import Audit, broken_at
from opsbot.store.database import Database
from opsbot.store.inbox import Inbox
from opsbot.store.ledger import Ledger
from opsbot.testimony import AuditEntry, Verdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOM = "!ops:test.local"


async def ask(database: Database, event_id: str, *, allowed: bool = True) -> Job | None:
    """Say `deploy hello-bot`, see it through, and return its job."""
    message = Message(event_id=event_id, room_id=ROOM, sender="@ada:test.local", body="!deploy hello-bot", sent_at=NOON)
    entry = AuditEntry(
        at=NOON,
        person="ada",
        account="@ada:test.local",
        room_id=ROOM,
        event_id=event_id,
        what="deploy hello-bot",
        decision=Decision(allowed=allowed, reason="ada is deployer.", place="people.ada.level"),
    )
    job = Job(
        id=job_id(event_id),
        kind=JobKind.DEPLOY,
        host="ops-jrz1",
        project="hello-bot",
        target="main",
        person="ada",
        room_id=ROOM,
        event_id=event_id,
        thread=event_id,
        created_at=NOON,
    )
    await Inbox(database).accept([message], position=None)
    return await Inbox(database).finish(event_id, audit=entry, job=job if allowed else None)


async def a_story(database: Database) -> Job:
    """A command, somebody's word on it, and its end."""
    job = await ask(database, "$1")
    assert job is not None
    word = Verdict(
        job_id=job.id,
        system="/nix/store/new",
        base="/nix/store/old",
        agreed=True,
        person="bob",
        account="@bob:test.local",
        reason="fine",
        alone=False,
        at=NOON,
    )
    await Ledger(database).give_verdict(word)
    await Ledger(database).give_verdict(word)
    details = {"system": "/nix/store/new", "base": "/nix/store/old", "generation": 32, "headline": "It runs."}
    assert await Ledger(database).end(job.id, Outcome.DONE, [], details)
    assert not await Ledger(database).end(job.id, Outcome.FAILED, [], details)
    return job


async def test_a_job_can_be_read_from_its_lines(database: Database) -> None:
    """Who asked, what was decided and why, whose word it was and how it ended: each is one line, written once."""
    job = await a_story(database)

    asked, word, end = await Audit(database).of_job(job.id)

    assert (asked.kind, asked.person, asked.account) == ("decision", "ada", "@ada:test.local")
    assert (asked.what, asked.allowed, asked.reason) == (
        "deploy hello-bot",
        True,
        "ada is deployer. (people.ada.level)",
    )
    assert (word.kind, word.person, word.allowed, word.more["system"]) == ("word", "bob", True, "/nix/store/new")
    assert (end.kind, end.reason, end.more["outcome"]) == ("end", "It runs.", "done")
    assert (end.more["base"], end.more["generation"]) == ("/nix/store/old", 32)


async def test_a_refusal_is_a_line_too(database: Database) -> None:
    """What was not allowed is written down with its reason; it has no job."""
    await ask(database, "$1", allowed=False)
    (line,) = await Audit(database).after(0)
    assert (line.allowed, line.job_id) == (False, None)


async def test_no_words_of_a_host_keep_an_end_from_its_line(database: Database) -> None:
    """What no database takes, NUL and half a character, is left out of a line; the job ends as it did."""
    job = await ask(database, "$1")
    assert job is not None
    assert await Ledger(database).end(job.id, Outcome.FAILED, [], {"headline": "it said \0\ud800 and died"})
    assert (await Audit(database).of_job(job.id))[-1].reason == "it said ? and died"
    assert await Audit(database).broken_at() is None


async def test_a_whole_chain_holds(database: Database) -> None:
    """Lines that nobody has touched follow from one another."""
    assert await Audit(database).broken_at() is None
    await a_story(database)
    await ask(database, "$2")
    assert await Audit(database).broken_at() is None


@pytest.mark.parametrize("verb", ["UPDATE audit SET person = 'eve'", "DELETE FROM audit"])
async def test_the_database_keeps_lines_as_they_are(database: Database, verb: str) -> None:
    """The database itself refuses to change a line, or to take one away."""
    await ask(database, "$1")
    with pytest.raises(DBAPIError, match="only added to"):
        await database.write(lambda c: c.execute(text(verb)))
    assert len(await Audit(database).after(0)) == 1


def rows(connection: Connection) -> list[dict[str, Any]]:
    """Return all lines, to be changed by whoever has the file."""
    return [dict(row) for row in connection.execute(text("SELECT * FROM audit ORDER BY id")).mappings()]


@pytest.mark.parametrize(
    "field", ["person", "account", "what", "reason", "allowed", "at", "room_id", "event_id", "job_id", "more", "hash"]
)
async def test_a_changed_line_breaks_the_chain(database: Database, field: str) -> None:
    """Whoever changes any field of a line is found out, and the line is named."""
    await a_story(database)
    lines = await database.read(rows)
    for line in lines:
        line["at"] = datetime.fromisoformat(str(line["at"]))
    assert broken_at(lines) is None
    changed = {"allowed": not lines[1]["allowed"], "at": NOON.replace(tzinfo=None, year=2020)}
    lines[1][field] = changed.get(field, "something else")
    assert broken_at(lines) == lines[1]["id"]


async def test_a_line_that_is_taken_away_breaks_the_chain(database: Database) -> None:
    """Whoever takes a line out of the middle, or puts one in without its hash, is found out at the next."""
    await a_story(database)
    lines = await database.read(rows)
    for line in lines:
        line["at"] = datetime.fromisoformat(str(line["at"]))
    assert broken_at([lines[0], lines[2]]) == lines[2]["id"]
    assert broken_at([lines[0], lines[1] | {"hash": None}, lines[2]]) == lines[1]["id"]


async def test_lines_from_before_the_chain_are_read(database: Database) -> None:
    """A database of an older version has lines without a hash; the chain begins after them."""
    old = (
        "INSERT INTO audit (at, person, account, room_id, event_id, what, allowed, reason) "
        "VALUES ('2026-01-01 00:00:00.000000', 'ada', '@ada:test.local', '!r', '$0', 'hello', true, 'old')"
    )
    await database.write(lambda c: c.execute(text(old)))
    await a_story(database)
    assert await Audit(database).broken_at() is None
    assert [line.kind for line in await Audit(database).after(0)] == ["decision", "decision", "word", "end"]
