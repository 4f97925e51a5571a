"""What DESIGN promises of every job, whatever persons and the world do; looked at from outside."""

import json
import re
import sqlite3
from collections import Counter

from opsbot.model import job_id
from opsbot.store.audit import Audit
from opsbot.store.database import Database
from opsbot.store.outbox import transaction_id
from opsbot.testing.room import Line
from opsbot.testing.units import ENDED
from tests.model.world import World

#: Ends that say that nothing was put in place, and how an activation may then have ended on the host.
NOTHING = frozenset({"unchanged", "planned", "refused", "failed", "undone", "cancelled"})
UNTOUCHED = frozenset({"", "refused", "reverted", "rebooted"})


def always(world: World) -> None:
    """Hold what must be true at every moment."""
    assert not world.host.wrong, world.host.wrong
    assert world.disk.broken == {}, world.disk.broken
    assert world.life is None or world.life.failure is None, world.life.failure
    once_activated(world)
    once_answered(world)
    once_decided(world)
    for job in world.jobs:
        if job["ended_at"] is not None:
            agrees_with_host(world, job)


def at_last(world: World) -> None:
    """Hold what must be true when everything was mended and had its time."""
    always(world)
    assert world.restless == "", f"{world.restless}: {[dict(job) for job in world.jobs if job['ended_at'] is None]}"
    all_answered(world)
    all_told(world)
    host_is_at_rest(world)
    chain_holds(world)


def goes_on(world: World) -> None:
    """Hold that nothing of all that stands in the way of the next deploy."""
    last = world.jobs[-1]
    assert (last["target"], last["outcome"]) == ("vlast", "done"), json.loads(last["details"])["headline"]


def attempts(world: World, job: str) -> list[str]:
    """Return the ids under which a job was on the host."""
    return [one for one in world.host.jobs if one == job or re.fullmatch(rf"{job}n\d", one)]


def once_activated(world: World) -> None:
    """What was wanted is activated at most once, and only ever to what was agreed to."""
    forward: Counter[str] = Counter()
    for on_host, system in world.host.switches:
        if system == world.host.wanted(on_host)["system"]:
            forward[on_host[:16]] += 1
    assert all(times == 1 for times in forward.values()), f"activated more than once: {forward}"
    for job in world.jobs:
        if forward[job["id"]] and job["kind"] == "deploy" and job["project"] == "web-shop":
            agreed = world.rows("SELECT system FROM verdicts WHERE job_id = ? AND agreed", job["id"])
            activated = {system for on_host, system in world.host.switches if on_host[:16] == job["id"]}
            assert activated & {row["system"] for row in agreed}, f"nobody agreed to #{job['number']}"


def once_answered(world: World) -> None:
    """A command is answered by one message, or by the report of one job, which is closed by one line."""
    known = {transaction_id(row["cause"]): row["cause"] for row in world.rows("SELECT cause FROM outbox")}
    causes = Counter(known.get(line.transaction, f"unknown: {line.body}") for line in world.room.lines.values())
    twice = [cause for cause, times in causes.items() if times > 1 or cause.startswith("unknown")]
    assert not twice, f"said twice, or out of nothing: {twice}"
    for message in world.room.heard:
        answers = [f"answer:{message.event_id}", f"{job_id(message.event_id)}:report"]
        said = [cause for cause in answers if causes[cause]]
        assert len(said) <= 1, f"{message.body} was answered twice: {said}"


def once_decided(world: World) -> None:
    """The audit has each decision, each word and each end once."""
    lines = world.rows("SELECT kind, event_id, job_id, more FROM audit")
    marks: Counter[tuple[str, str, str]] = Counter()
    for line in lines:
        about = line["more"] if line["kind"] == "word" else ""
        marks[line["kind"], line["event_id"] if line["kind"] == "decision" else line["job_id"], about] += 1
    assert all(times == 1 for times in marks.values()), f"in the audit twice: {marks}"


def agrees_with_host(world: World, job: sqlite3.Row) -> None:
    """What a job's end says is what its host did."""
    tries = {one: world.host.status(one, "activate") for one in attempts(world, job["id"])}
    details = json.loads(job["details"])
    said = f"#{job['number']} {job['outcome']}: {details['headline']}"
    match job["outcome"]:
        case "done" if job["kind"] != "publish":
            assert list(tries.values()).count("committed") == 1, f"{said}, but {tries}"
            committed = next(one for one in tries if tries[one] == "committed")
            generation = world.host.jobs[committed]["activate"]["generation"]
            assert details["generation"] == generation, f"{said}, but it is generation {generation}"
            assert f"eneration {generation}" in details["headline"], said
            published = details["published"]["status"] == "published"
            assert published == ("NOT published" not in details["headline"]), said
            assert not published or world.host.status(committed, "publish") == "published", said
        case "broken":
            assert "stuck" in tries.values(), f"{said}, but {tries}"
        case outcome if outcome in NOTHING:
            assert set(tries.values()) <= UNTOUCHED, f"{said}, but {tries}"


def all_answered(world: World) -> None:
    """Nothing that was said stays without its one answer, and each report stands at its end."""
    threads = Counter(line.thread for line in world.room.lines.values())
    silent = [
        message.body for message in world.room.heard if message.body.startswith("!") and not threads[message.event_id]
    ]
    assert not silent, f"not answered: {silent}"
    running = [line.body for line in world.room.lines.values() if line.body.startswith("⏳")]
    assert not running, f"still at work in the room: {running}"


def all_told(world: World) -> None:
    """Each job has one closing line in the room, with the words of its end."""
    for job in world.jobs:
        headline = json.loads(job["details"])["headline"]
        closing = [line for line in world.room.lines.values() if closes(line, job)]
        assert len(closing) == 1, f"#{job['number']} has {len(closing)} closing lines"
        assert headline in closing[0].body, closing[0].body


def closes(line: Line, job: sqlite3.Row) -> bool:
    """Tell whether a line closes a job."""
    return line.thread is None and line.transaction == transaction_id(f"{job['id']}:closing")


def host_is_at_rest(world: World) -> None:
    """Nothing is left on the host: no unit, no dead man, no holder; what runs is the default."""
    host = world.host
    assert (host.units, host.deadmen, host.holder, host.switching) == ({}, {}, "", "")
    assert host.trial is None, "something runs that is no generation"
    (current,) = [one for one in host.generations if one["current"]]
    assert current["running"], "what runs is not the default"
    open_still = [job for job in host.jobs if host.status(job, "activate") not in ENDED | {""}]
    assert not open_still, f"neither confirmed nor undone: {open_still}"
    held = world.rows("SELECT locks.host FROM locks JOIN jobs ON jobs.id = locks.job_id WHERE jobs.ended_at IS NULL")
    assert not held, "the host's lock is held"


def chain_holds(world: World) -> None:
    """The chain of the audit's lines holds, and has every job's beginning and end."""
    world.loop.run_until_complete(_chain_holds(world))


async def _chain_holds(world: World) -> None:
    database = Database(f"sqlite:///{world.folder / 'opsbot.db'}")
    assert await Audit(database).broken_at() is None
    await database.close()
