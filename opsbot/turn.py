"""A message on its way through the bot."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opsbot.model import STRANGER, Decision, Job, Message, Person, Text
from opsbot.parsing import Invocation


class NotForUsError(Exception):
    """The message gets no answer: it is no command, or one too many."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A message on its way; each stage adds what it found."""

    message: Message
    name: str = ""
    rest: str = ""
    person: Person = STRANGER
    #: The names of the room that it was said in.
    rooms: frozenset[str] = frozenset()
    invocation: Invocation | None = None
    decision: Decision | None = None
    answer: Text | None = None
    job: Job | None = None
    #: What kept it from being done.
    problem: Exception | None = None


Stage = Callable[[Turn], Awaitable[Turn]]
