"""One attempt: who tries what, what must refuse it, and how it is told whether it got through."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.attack.watch import Watch
    from tests.attack.world import World

#: Of what was answered, in the table.
_SHOWN = 110


class End(StrEnum):
    """How an attempt ended."""

    REFUSED = "refused"
    PASSED = "PASSED"
    NOT_MADE = "NOT MADE"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of an attempt: the words that were answered, and the event whose lines of the audit are looked for."""

    words: str
    event: str | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A thing that somebody tries."""

    what: str
    by: str
    act: Callable[["World"], Awaitable[Told]]
    #: Words of the refusal, all of which must be answered; none means that nobody answers.
    refused: tuple[str, ...]
    #: The person of the audit's line that says no ("stranger" for whom nobody knows); None where nothing is decided:
    #: it never was a command.
    audited: str | None = None
    #: What must be there before; what it changes on the host does not count.
    before: Callable[["World"], Awaitable[None]] | None = None
    #: What kind of attempt it is; the table says so for all of a kind.
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How an attempt ended, and why it did not end as a refusal."""

    attempt: Attempt
    words: str
    end: End
    why: str = ""
    audit: Sequence[str] = ()
    changes: Sequence[str] = ()

    @property
    def row(self) -> str:
        """Its row in the table."""
        attempt, host = self.attempt, ", ".join(self.changes) or "unchanged"
        cells = (attempt.what, attempt.kind, attempt.by, _shown(self.words), "; ".join(self.audit) or "–", host)
        return " | ".join((self.end, *(cell.replace("|", "¦") for cell in cells)))


HEAD = "end | attempt | kind | by | what was answered | audit | host\n--- | --- | --- | --- | --- | --- | ---"


def _shown(words: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
    return (line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…") or "(no answer)"


async def attempted(attempt: Attempt, world: "World", watch: "Watch") -> Result:
    """Try it, and look whether it was refused, whether the audit has it, and whether the host is what it was.

    The watch must have looked before. What has changed since is a late effect of the attempt before, and told here.
    """
    try:
        late = []
        if attempt.before is not None:
            late = await watch.changes()
            await attempt.before(world)
            await watch.changes()
        told = await attempt.act(world)
        changes = [*late, *await watch.changes()]
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told, and the others are made
        return Result(attempt=attempt, words="", end=End.NOT_MADE, why=f"{type(error).__name__}: {error}")
    audited = world.audited(told.event or "")
    why = passed(attempt, told, changes, audited)
    lines = [f"{'yes' if allowed else 'no'} to {person}" for person, allowed in audited]
    end = End.PASSED if why else End.REFUSED
    return Result(attempt=attempt, words=told.words, end=end, why=why or "", audit=lines, changes=changes)


def passed(attempt: Attempt, told: Told, changes: Sequence[str], audited: Collection[tuple[str, bool]]) -> str | None:
    """Say why an attempt counts as passed; None when it was refused as it should be."""
    if changes:
        return f"the host has changed: {', '.join(changes[:5])}"
    if not attempt.refused and told.words:
        return "it was answered"
    missing = [words for words in attempt.refused if words not in told.words]
    if missing:
        return f"it was not refused with {missing[0]!r}"
    if attempt.audited is not None and (attempt.audited, False) not in audited:
        return "the audit has no line that says no to it"
    return None


def report(results: Iterable[Result], say: Callable[[str], object]) -> int:
    """Tell the end; 0 when there were attempts, all could be made, and none has passed."""
    ended = list(results)
    for result in ended:
        if result.end is not End.REFUSED:
            say(f"{result.end}: {result.attempt.what}: {result.why}\n        {result.words[:2000]}")
    count = {end: sum(result.end is end for result in ended) for end in End}
    not_made = f", {count[End.NOT_MADE]} could not be made" if count[End.NOT_MADE] else ""
    say(f"{len(ended)} attempts, {count[End.REFUSED]} refused, {count[End.PASSED]} passed{not_made}.")
    return 0 if ended and count[End.REFUSED] == len(ended) else 1
