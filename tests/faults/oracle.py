"""What must be true after a fault, judged from outside: from the host's files, the room, the database's rows. Pure.

The bot is believed in one thing only: its closing line says what it thinks has happened, and that must be so.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsbot.demo.speaker import Line
from opsbot.store.audit import broken_at
from tests.faults.plan import Work

_BOT = "@opsbot"
#: A report while its job is open, and one of any job; the closing line of a job; a closing line of something new.
_OPEN = "⏳"
_REPORT = re.compile(r"^\S+ #(?P<number>\d+) ")
_CLOSING = re.compile(r"\(#(?P<number>\d+), \w+\)")
_PUT = re.compile(r"^✅ .* runs on `[\w-]+`(?: again)?[:;.].*")
_GENERATION = re.compile(r"generation (?P<number>\d+)|^✅ Generation (?P<back>\d+)")
_LEFT = ("nothing was changed", "what runs on")
#: Ends that say that nothing was changed, or that all was taken back.
_TOO_OLD = "Not run: too old."
_NOT_PUT = ("⛔", "❌", "↩️", "✋", _TOO_OLD)
_PERSON = "🚨"


@dataclass(frozen=True, kw_only=True)
class Systems:
    """What runs on the host, what its profile names, and what the next boot would start."""

    running: str
    default: str
    boots: str

    @property
    def agree(self) -> bool:
        """Whether all three are the same."""
        return self.running == self.default == self.boots


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host as somebody sees it who does not ask its helper."""

    systems: Systems
    #: The profile's generations, and those of them that were proved.
    generations: Mapping[int, str]
    proved: frozenset[int]
    #: The generation that the profile names.
    current: int
    #: The commit of each project in the system that runs, by what that system says.
    pins: Mapping[str, str]
    #: The commit of the platform that the running system was made from, and the one that `deployed/HOST` names.
    commit: str
    deployed: str
    #: The systems that were switched to, since the host was made.
    switches: tuple[str, ...] = ()
    #: Locks that are held, jobs that are open; units, timers and processes of opsbot's that are still there.
    locks: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Books:
    """The rows of the bot's database that must add up."""

    audit: Sequence[Mapping[str, Any]] = ()
    #: Hosts that are locked by a job, jobs without an end, commands and messages that wait, works that go on.
    locks: tuple[str, ...] = ()
    open_jobs: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class End:
    """All that is known of one fault's story when it is over."""

    work: Work
    #: The event of the command that asked for the work.
    said: str
    #: The commit that a deploy was to put in place, or the generation that a rollback was to go to.
    commit: str = ""
    generation: int = 0
    before: Host
    after: Host
    lines: Sequence[Line]
    books: Books

    @property
    def number(self) -> str:
        """The number of the job, by its report; empty without one."""
        found = (_REPORT.match(line.body) for line in self.answers(self.said))
        return next((match["number"] for match in found if match), "")

    def answers(self, event: str) -> list[Line]:
        """Return what was answered to an event, in its thread."""
        return [line for line in self.lines if line.thread == event and line.sender.startswith(_BOT)]

    @property
    def commands(self) -> list[Line]:
        """Everything that people asked for in the room, ever."""
        return [line for line in self.lines if line.body.startswith("!") and not line.sender.startswith(_BOT)]

    def closings(self, number: str) -> list[str]:
        """Return the lines that close a job."""
        alone = [line.body for line in self.lines if line.thread is None and line.sender.startswith(_BOT)]
        return [body for body in alone if f"(#{number}, " in body]

    @property
    def told(self) -> str:
        """What the room was told in the end, or the answer if no job was begun; empty if it was not."""
        ends = self.closings(self.number) if self.number else [one.body for one in self.answers(self.said)]
        return next(iter(ends), "")

    @property
    def put(self) -> bool:
        """Whether the bot says that what was wanted is in place."""
        return bool(_PUT.match(self.told)) and not any(words in self.told for words in _LEFT)


def is_over(end: End) -> bool:
    """Say whether nothing more is to come, as far as can be seen."""
    answered = all(end.answers(one.event_id) for one in end.commands)
    reports = [line for line in end.answers(end.said) if not line.body.startswith(_OPEN)]
    books = (*end.books.open_jobs, *end.books.waiting)
    return bool(end.told and reports and answered) and not (books or end.after.left or end.after.locks)


def one_end(end: End) -> Iterator[str]:
    """The job that was asked for was told to have ended, once, and its report shows it."""
    if not end.told:
        yield f"the room was not told how the {end.work} ended"
    if end.told.startswith(_PERSON):
        yield f"a person is called for: {end.told}"
    for line in end.answers(end.said):
        if line.body.startswith(_OPEN):
            yield "the report of the job shows it open"


def every_answer_once(end: End) -> Iterator[str]:
    """Every command that is in the room was answered exactly once, and every job was closed exactly once."""
    for command in end.commands:
        answers = end.answers(command.event_id)
        if len(answers) != 1:
            yield f"{command.body!r} was answered {len(answers)} times"
        for number in (match["number"] for line in answers if (match := _REPORT.match(line.body))):
            if (closed := len(end.closings(number))) != 1:
                yield f"job {number} was closed {closed} times"


def nothing_else_said(end: End) -> Iterator[str]:
    """The bot says nothing in the room but what it was asked for: no false alarm of what runs, or of what it lost."""
    mine = [line.body for line in end.lines if line.thread is None and line.sender.startswith(_BOT)]
    for body in mine:
        if not _CLOSING.search(body):
            yield f"said by itself: {body!r}"


def as_told(end: End) -> Iterator[str]:
    """What runs, the profile and the default of the next boot are what the bot has told."""
    now, former = end.after.systems, end.before.systems
    if not now.agree:
        yield f"running, default and boot differ: {now}"
    if not end.told:
        return
    if not end.put and now != former:
        yield f"something was changed, and the room was told: {end.told}"
    if end.put and not _is_wanted(end):
        yield f"what runs is not what the room was told: {end.told}"
    if end.put and (found := _GENERATION.search(end.told)):
        number = int(found["number"] or found["back"])
        if end.after.generations.get(number) != now.running:
            yield f"generation {number} is not what runs"
    if not end.put and not end.told.startswith((*_NOT_PUT, _PERSON, "✅")):
        yield f"an end that nobody knows: {end.told}"


def _is_wanted(end: End) -> bool:
    """Say whether exactly what was asked for runs: one pin moved, or the generation that was meant."""
    if end.work is Work.ROLLBACK:
        return end.after.systems.running == end.before.generations.get(end.generation)
    return dict(end.after.pins) == {**end.before.pins, "hello-bot": end.commit}


def one_activation(end: End) -> Iterator[str]:
    """What was wanted was put in place once or not at all, and nothing else was; at most one generation is new."""
    base, seen = end.before.systems.running, len(end.before.switches)
    switched = Counter(end.after.switches[seen:])
    others = switched.keys() - {base}
    if len(others) > 1:
        yield f"several systems were switched to: {sorted(others)}"
    for system in others:
        if switched[system] > 1:
            yield f"{system} was switched to {switched[system]} times"
        if end.put and system != end.after.systems.running:
            yield f"{system} was switched to, and is not what runs"
    if end.put and not others and end.after.systems != end.before.systems:
        yield "what runs was never switched to"
    new = {number: path for number, path in end.after.generations.items() if number not in end.before.generations}
    if len(new) > 1 or (new and end.work is Work.ROLLBACK):
        yield f"new generations: {sorted(new)}"
    changed = [number for number, path in end.before.generations.items() if end.after.generations.get(number) != path]
    if changed:
        yield f"generations are gone, or others: {changed}"


def branches(end: End) -> Iterator[str]:
    """What runs is what the branch of the host says, unless the room was told that it is not."""
    if end.put and "NOT published" not in end.told and end.after.deployed != end.after.commit:
        yield f"the branch of the host is {end.after.deployed}, what runs is {end.after.commit}"
    if not end.put and end.after.deployed != end.before.deployed:
        yield "something was published, though nothing was put in place"


def free_locks(end: End) -> Iterator[str]:
    """The lock is free, in the bot's database and on the host."""
    yield from (f"the bot's lock of {host} is held" for host in end.books.locks)
    yield from (f"held on the host: {name}" for name in end.after.locks)


def true_audit(end: End) -> Iterator[str]:
    """The audit has each decision once, each end once, and its chain holds."""
    decisions = Counter(row["event_id"] for row in end.books.audit if row["kind"] == "decision")
    ends = Counter(row["job_id"] for row in end.books.audit if row["kind"] == "end")
    for command in end.commands:
        answers = end.answers(command.event_id)
        late = any(line.body.startswith(_TOO_OLD) for line in answers)
        if answers and decisions[command.event_id] != 1 and not (late and not decisions[command.event_id]):
            yield f"the audit has {decisions[command.event_id]} decisions on {command.body!r}"
    yield from (f"the audit has {times} ends of job {job}" for job, times in ends.items() if times != 1)
    reports = sum(bool(_REPORT.match(line.body)) for one in end.commands for line in end.answers(one.event_id))
    if len(ends) != reports:
        yield f"the audit has the ends of {len(ends)} jobs, the room of {reports}"
    if (broken := broken_at(end.books.audit)) is not None:
        yield f"the chain of the audit is broken at line {broken}"


def nothing_left(end: End) -> Iterator[str]:
    """No unit, timer or process of the work is left, and nothing waits in the bot's database."""
    yield from (f"left on the host: {name}" for name in end.after.left)
    yield from (f"job {job} has no end" for job in end.books.open_jobs)
    yield from (f"waits: {what}" for what in end.books.waiting)


Check = Callable[[End], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    one_end,
    every_answer_once,
    nothing_else_said,
    as_told,
    one_activation,
    branches,
    free_locks,
    true_audit,
    nothing_left,
)


def judge(end: End) -> list[str]:
    """Return everything that is not as it must be."""
    return [words for check in CHECKS for words in check(end)]
