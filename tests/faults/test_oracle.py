"""Each check of the oracle finds what it is for: a well end is doctored in one place, and only that is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from opsbot.demo.speaker import Line
from opsbot.store.audit import GENESIS, line_hash
from tests.faults import oracle
from tests.faults.oracle import Books, End, Host, Systems, is_over, judge
from tests.faults.plan import Work

OLD, NEW, OTHER = "/nix/store/old", "/nix/store/new", "/nix/store/other"
AT = datetime.fromisoformat("2026-01-15T12:00:00")
CLOSING = "✅ hello-bot 2222222 runs on `ops-jrz1`: generation 32, before 1111111; on main. (#1, deployer)"
UNDONE = "↩️ hello-bot 2222222 was undone: Nobody confirmed in time. `ops-jrz1` runs what it ran before. (#1, deployer)"
BACK = "✅ Generation 31 runs on `ops-jrz1` again; held until deployed on purpose: hello-bot. (#1, deployer)"


def audit(*rows: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Return lines of an audit, each bound to the one before: its kind, event and job."""
    made: list[dict[str, Any]] = []
    before = GENESIS
    for number, (kind, event, job) in enumerate(rows, 1):
        line: dict[str, Any] = {"id": number, "at": AT, "kind": kind, "event_id": event, "job_id": job, "allowed": True}
        line |= dict.fromkeys(("person", "account", "room_id", "what", "reason", "more"), "")
        before = line["hash"] = line_hash(before, line)
        made.append(line)
    return made


def line(number: str, sender: str, body: str, thread: str | None = None) -> Line:
    """Return a line of the room."""
    return Line(event_id=f"$e{number}", sender=f"@{sender}:demo.local", body=body, thread=thread)


LINES = (
    line("1", "member", "!hello 1"),
    line("2", "opsbot", "Hello, 1!", "$e1"),
    line("3", "deployer", "!deploy hello-bot"),
    line("4", "opsbot", "✅ #1 deploy hello-bot main on `ops-jrz1`, for deployer\n✔ prepare, 2 s", "$e3"),
    line("5", "opsbot", CLOSING),
)
BEFORE = Host(
    systems=Systems(running=OLD, default=OLD, boots=OLD),
    generations={31: OLD},
    proved=frozenset({31}),
    current=31,
    pins={"hello-bot": "1" * 40, "web-shop": "9" * 40},
    commit="c1",
    deployed="c1",
)
AFTER = replace(
    BEFORE,
    systems=Systems(running=NEW, default=NEW, boots=NEW),
    generations={31: OLD, 32: NEW},
    pins={"hello-bot": "2" * 40, "web-shop": "9" * 40},
    commit="c2",
    deployed="c2",
    switches=(NEW,),
)
BOOKS = Books(audit=audit(("decision", "$e1", ""), ("decision", "$e3", "j1"), ("end", "$e3", "j1")))
WELL = End(work=Work.DEPLOY, said="$e3", commit="2" * 40, before=BEFORE, after=AFTER, lines=LINES, books=BOOKS)


def told(end: End, words: str) -> End:
    """Return an end of which the room was told something else."""
    return replace(end, lines=(*end.lines[:-1], line("5", "opsbot", words)))


def after(end: End, **more: Any) -> End:
    """Return an end with something else on the host."""
    return replace(end, after=replace(end.after, **more))


TAKEN_BACK = replace(told(WELL, UNDONE), after=replace(BEFORE, switches=(NEW, OLD)))
ROLLED_BACK = replace(
    told(WELL, BACK),
    work=Work.ROLLBACK,
    commit="",
    generation=31,
    before=replace(AFTER, current=32, proved=frozenset({31, 32}), switches=()),
    after=replace(BEFORE, generations={31: OLD, 32: NEW}, switches=(OLD,)),
)


@pytest.mark.parametrize("end", [WELL, TAKEN_BACK, ROLLED_BACK], ids=["done", "undone", "back"])
def test_a_true_end_has_no_violation(end: End) -> None:
    """A deploy that was done, one that was taken back and a rollback, each told as it is, are well and over."""
    assert judge(end) == []
    assert is_over(end)


def shorter(end: End, places: int) -> End:
    """Return an end without the last lines of the room."""
    return replace(end, lines=end.lines[:-places])


def more(end: End, *lines: Line) -> End:
    """Return an end with more lines in the room."""
    return replace(end, lines=(*end.lines, *lines))


def booked(end: End, **rows: Any) -> End:
    """Return an end with other rows in the bot's database."""
    return replace(end, books=replace(end.books, **rows))


FORGED = [{**row, "reason": "because"} if row["id"] == 2 else row for row in BOOKS.audit]
STILL_OPEN = (
    *LINES[:3],
    line("4", "opsbot", "⏳ #1 deploy hello-bot main on `ops-jrz1`, for deployer", "$e3"),
    LINES[4],
)
HALF = Systems(running=NEW, default=OLD, boots=OLD)
BY_HAND = "🖥️ `ops-jrz1` runs generation 32, which is not what I put there: a switch by hand, or a reboot."

#: What is made untrue, the check that must find it, and some of its words.
DOCTORED: dict[str, tuple[End, Callable[..., Any], str]] = {
    "never told": (shorter(WELL, 1), oracle.one_end, "was not told how the deploy ended"),
    "given up": (told(WELL, "🚨 I could not bring this to its end. (#1, deployer)"), oracle.one_end, "a person"),
    "report open": (replace(WELL, lines=STILL_OPEN), oracle.one_end, "shows it open"),
    "never answered": (
        more(WELL, line("6", "member", "!hello 2")),
        oracle.every_answer_once,
        "'!hello 2' was answered 0",
    ),
    "answered twice": (more(WELL, line("6", "opsbot", "Hello, 1!", "$e1")), oracle.every_answer_once, "answered 2"),
    "closed twice": (more(WELL, line("6", "opsbot", CLOSING)), oracle.every_answer_once, "job 1 was closed 2"),
    "false alarm": (more(WELL, line("6", "opsbot", BY_HAND)), oracle.nothing_else_said, "said by itself"),
    "not the default": (after(WELL, systems=HALF), oracle.as_told, "running, default and boot differ"),
    "not taken back": (told(WELL, UNDONE), oracle.as_told, "something was changed, and the room was told: ↩️"),
    "not put": (replace(WELL, after=BEFORE), oracle.as_told, "what runs is not what the room was told"),
    "another commit": (replace(WELL, commit="3" * 40), oracle.as_told, "what runs is not what the room was told"),
    "another moved": (
        after(WELL, pins={"hello-bot": "2" * 40, "web-shop": "8" * 40}),
        oracle.as_told,
        "what runs is not what the room was told",
    ),
    "another generation": (
        replace(ROLLED_BACK, generation=30),
        oracle.as_told,
        "what runs is not what the room was told",
    ),
    "wrong number": (after(WELL, generations={31: OLD, 32: OTHER, 33: NEW}), oracle.as_told, "generation 32 is not"),
    "unknown end": (told(TAKEN_BACK, "• what is it? (#1, deployer)"), oracle.as_told, "an end that nobody knows"),
    "activated twice": (after(WELL, switches=(NEW, OLD, NEW)), oracle.one_activation, "switched to 2 times"),
    "two systems": (after(WELL, switches=(OTHER, NEW)), oracle.one_activation, "several systems were switched to"),
    "other system": (after(WELL, switches=(OTHER,)), oracle.one_activation, "and is not what runs"),
    "never switched": (after(WELL, switches=()), oracle.one_activation, "was never switched to"),
    "two generations": (
        after(WELL, generations={31: OLD, 32: NEW, 33: NEW}),
        oracle.one_activation,
        "new generations: [32, 33]",
    ),
    "a generation less": (after(WELL, generations={32: NEW}), oracle.one_activation, "generations are gone"),
    "branch behind": (after(WELL, deployed="c1"), oracle.branches, "the branch of the host is c1"),
    "branch ahead": (after(TAKEN_BACK, deployed="c2"), oracle.branches, "something was published"),
    "lock of the bot": (booked(WELL, locks=("ops-jrz1",)), oracle.free_locks, "the bot's lock of ops-jrz1 is held"),
    "lock of the host": (after(WELL, locks=("jobs/lock",)), oracle.free_locks, "held on the host: jobs/lock"),
    "no decision": (booked(WELL, audit=BOOKS.audit[1:]), oracle.true_audit, "has 0 decisions on '!hello 1'"),
    "decided twice": (
        booked(WELL, audit=[*BOOKS.audit, BOOKS.audit[1]]),
        oracle.true_audit,
        "has 2 decisions on '!deploy hello-bot'",
    ),
    "ended twice": (booked(WELL, audit=[*BOOKS.audit, BOOKS.audit[2]]), oracle.true_audit, "has 2 ends of job j1"),
    "no end": (booked(WELL, audit=BOOKS.audit[:2]), oracle.true_audit, "the ends of 0 jobs, the room of 1"),
    "forged": (booked(WELL, audit=FORGED), oracle.true_audit, "broken at line 2"),
    "unit left": (after(WELL, left=("opsbot-activate@j1.service",)), oracle.nothing_left, "left on the host: opsbot-"),
    "job open": (booked(WELL, open_jobs=("1",)), oracle.nothing_left, "job 1 has no end"),
    "message waits": (booked(WELL, waiting=("message j1:end",)), oracle.nothing_left, "waits: message j1:end"),
}


@pytest.mark.parametrize(("end", "check", "words"), DOCTORED.values(), ids=DOCTORED)
def test_each_check_finds_what_it_is_for(end: End, check: Callable[[End], Any], words: str) -> None:
    """What was made untrue is found by the check that is for it, and so by the judge."""
    assert any(words in found for found in check(end)), list(check(end))
    assert any(words in found for found in judge(end))


def test_no_check_goes_untested() -> None:
    """For each check that the judge makes, an end is doctored above."""
    assert {check for _, check, _ in DOCTORED.values()} == set(oracle.CHECKS)


@pytest.mark.parametrize(
    "end",
    [
        shorter(WELL, 1),
        replace(WELL, lines=STILL_OPEN),
        more(WELL, line("6", "member", "!hello 2")),
        after(WELL, left=("opsbot-activate@j1.service",)),
        after(WELL, locks=("jobs/lock",)),
        booked(WELL, waiting=("message j1:end",)),
        booked(WELL, open_jobs=("1",)),
    ],
)
def test_what_is_still_at_work_is_not_over(end: End) -> None:
    """A story goes on while a word, an answer, a unit, a lock or a message is missing or waits."""
    assert not is_over(end)
