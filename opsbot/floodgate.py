"""What is more than the limits is answered once, then passed over and counted; what ends something is always heard."""

import asyncio
from collections.abc import Iterator

from opsbot.errors import RefusedError, UsageError
from opsbot.happened import PassedOver, TooMuch
from opsbot.limits import URGENT, Limits, Once, Rate, is_urgent, keep
from opsbot.model import Job, Level, Message, Person
from opsbot.site import Site
from opsbot.turn import NotForUsError, Turn

_NEVER = (0.0, 0.0, TooMuch.PERSON, "")


class Floodgate:
    """Counts what is said. All of it is forgotten at a restart: who floods then is told once more."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._limits: Limits = site.config.limits
        limits = self._limits
        self._person, self._room, self._strangers = Rate(limits.person), Rate(limits.room), Rate(limits.strangers)
        self._told = Once()
        #: Accounts and rooms of which nothing is taken from a time to another, and why.
        self._muted: dict[str, tuple[float, float, TooMuch, str]] = {}
        #: Whose command each event is that is at work, and whose job each is that is about to be opened.
        self._at_work: dict[str, str] = {}
        self._opened: dict[str, str] = {}
        self._opening = asyncio.Lock()

    @property
    def _now(self) -> float:
        return self._site.clock.now().timestamp()

    def is_shut(self, message: Message, command: str) -> bool:
        """Tell whether a command is passed over unseen: a moment ago there was too much of the kind already.

        So a flood is put away in heaps, and what an admin says behind it does not wait for each of it.
        """
        if command in URGENT:
            return False  # who says it is not known yet
        for key in (message.sender, message.room_id):
            began, ends, why, told = self._muted.get(key, _NEVER)
            # A clock that is set back mutes nobody for longer.
            if began <= self._now < ends:
                self._told.first(told, self._now)
                self._site.tell(PassedOver(why=why))
                return True
        return False

    def admit(self, turn: Turn) -> None:
        """Let a command in. Raises RefusedError for the first that is too much, NotForUsError for the others."""
        command = self._site.commands.find(turn.name)
        if is_urgent(turn.person, "" if command is None else command.name):
            return
        for why, key, muted, wait, sentence in self._overs(turn):
            if muted:
                self._muted.pop(muted, None)
                keep(self._muted, muted, (self._now, self._now + wait, why, key))
            self._pass_over(why, key, sentence, turn.person)
        self._at_work[turn.message.event_id] = _who(turn)
        if len(turn.rest) > self._limits.characters:
            most = f"{self._limits.characters:,}"
            raise UsageError(
                f"That is too long for a command: {len(turn.rest):,} characters, where {most} is the most."
            )

    def _overs(self, turn: Turn) -> Iterator[tuple[TooMuch, str, str, float, str]]:
        """Yield what a command is too much of: why, of whom, what to shut for so many seconds, and the sentence."""
        message, limits, now = turn.message, self._limits, self._now
        if turn.person.level is Level.STRANGER:
            if wait := self._strangers.take(message.room_id, now):
                sentence = f"more than {limits.strangers} commands within a minute from people whom I do not know."
                yield TooMuch.STRANGERS, f"strangers {message.room_id}", message.sender, wait, sentence
        elif wait := self._person.take(turn.person.name, now):
            sentence = f"more than {limits.person} commands from you within a minute."
            yield TooMuch.PERSON, turn.person.name, message.sender, wait, sentence
        if wait := self._room.take(message.room_id, now):
            sentence = f"more than {limits.room} commands within a minute in this room."
            yield TooMuch.ROOM, message.room_id, message.room_id, wait, sentence
        if list(self._at_work.values()).count(_who(turn)) >= limits.queued:
            sentence = f"more than {limits.queued} of your commands at a time."
            yield TooMuch.QUEUED, f"queued {_who(turn)}", "", 0.0, sentence

    def _pass_over(self, why: TooMuch, key: str, sentence: str, person: Person) -> None:
        self._site.tell(PassedOver(why=why))
        if not self._told.first(key, self._now):
            raise NotForUsError
        prefix = self._site.config.prefix
        still = ", ".join(f"`{prefix}{name}`" for name in sorted(URGENT))
        heard = f" {still} are heard all the same." if person.level >= Level.ADMIN else ""
        raise RefusedError(f"Not run: that is {sentence} I say this once, and pass over what is more.{heard}")

    async def open(self, job: Job, person: Person) -> None:
        """Let a job be opened. Raises RefusedError when there are too many."""
        if is_urgent(person, job.kind):
            return
        prefix, limits = self._site.config.prefix, self._limits
        async with self._opening:
            # Before the look: what is stored during it is in neither otherwise.
            opened = dict(self._opened)
            stored = await self._site.ledger.jobs(open_only=True)
            others = {one.event_id: one.person for one in stored} | opened
            others.pop(job.event_id, None)
            mine = list(others.values()).count(job.person)
            if mine >= limits.jobs or len(others) >= limits.all_jobs:
                whose = f"{mine} of your jobs" if mine >= limits.jobs else f"{len(others)} jobs"
                self._site.tell(PassedOver(why=TooMuch.JOBS))
                raise RefusedError(
                    f"Not begun: {whose} are open already. `{prefix}jobs` lists them, `{prefix}cancel` ends one."
                )
            self._opened[job.event_id] = job.person

    def done(self, event_id: str) -> None:
        """Note that a command was seen through."""
        self._at_work.pop(event_id, None)
        self._opened.pop(event_id, None)


def _who(turn: Turn) -> str:
    """Name whose commands count together: a person with all accounts; strangers by their account."""
    return turn.message.sender if turn.person.level is Level.STRANGER else turn.person.name
