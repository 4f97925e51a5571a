"""Whether a message calls the bot, and what it asks for."""

import re
from dataclasses import dataclass

#: Commands of our neighbours in the room: the bridge and the homeserver.
_NEIGHBOURS = frozenset({"slack", "admin"})
#: What somebody says to the bot before or after its bare name; anything else beside it is talk about the bot.
_COURTESIES = r"help|thanks|thank\s+you|thx|cheers"
_GREETINGS = rf"{_COURTESIES}|hello|hi|hey"
_END = r"[\s.,:!?…]*"


@dataclass(frozen=True, kw_only=True)
class Call:
    """The name of a command, in small letters, and what was said after it; no name when only the bot was called."""

    name: str
    rest: str = ""
    #: Whether the bot was called by its own name: then the words were not necessarily meant as a command.
    by_name: bool = False


class Ear:
    """Hears commands: after the PREFIX, or after the name of the bot's ACCOUNT (`@opsbot deploy …`)."""

    def __init__(self, prefix: str, account: str) -> None:
        name = re.escape(account.partition(":")[0].removeprefix("@"))
        own = rf"(?:{re.escape(account)}|@{name})"
        word = r"(?P<name>[^\W\d_][\w-]*)(?:[.!?]+$|(?=\s|$))"
        self._marked = _pattern(rf"{re.escape(prefix)}{word}")
        self._alone = _pattern(rf"(?:{re.escape(prefix)}|(?:{own}|{name}){_END})\Z")
        said = rf"(?:please\s+)?(?:{re.escape(prefix)})?(?:{word}|(?P<other>\S+))"
        self._named = _pattern(rf"(?:{own}[:,]?|{name}[:,])\s+{said}")
        self._courteous = tuple(
            _pattern(shape)
            for shape in (
                rf"(?:{name})\s+(?P<name>{_COURTESIES}){_END}\Z",
                rf"(?P<name>{_COURTESIES}),?\s+(?:{name}){_END}\Z",
                rf"(?P<name>{_GREETINGS}),?\s+{own}{_END}\Z",
            )
        )

    def hear(self, body: str) -> Call | None:
        """Return the call in a message; None when it is talk."""
        body = body.strip()
        if (found := self._marked.match(body)) is not None:
            name = found["name"].lower()
            return None if name in _NEIGHBOURS else Call(name=name, rest=body[found.end() :].strip())
        if self._alone.match(body):
            return Call(name="", by_name=True)
        if (found := self._named.match(body)) is not None:
            name = (found["name"] or found["other"]).lower()
            return Call(name=name, rest=body[found.end() :].strip(), by_name=True)
        polite = next((found for shape in self._courteous if (found := shape.match(body))), None)
        return None if polite is None else Call(name=polite["name"].split()[0].lower(), by_name=True)

    def marks(self, line: str) -> bool:
        """Tell whether a line begins as a command does."""
        return self._marked.match(line.strip()) is not None


def _pattern(shape: str) -> re.Pattern[str]:
    return re.compile(shape, re.IGNORECASE)


class Strangeness:
    """Notices who only says what is no command: a program that answers our answers would never end.

    Whoever has said MOST such things without a command between them is not answered any more, until they have been
    quiet for CALM seconds or say a command.
    """

    MOST = 10
    CALM = 600.0
    #: Accounts that are kept in mind.
    ACCOUNTS = 1000

    def __init__(self) -> None:
        self._strange: dict[str, tuple[int, float]] = {}

    def understood(self, account: str) -> None:
        """Note that somebody said a command."""
        self._strange.pop(account, None)

    def too_much(self, account: str, now: float) -> bool:
        """Note that somebody said what is no command, NOW in Unix seconds; tell whether that is answered no more."""
        count, last = self._strange.pop(account, (0, now))
        count = 1 if now - last > self.CALM else count + 1
        if len(self._strange) >= self.ACCOUNTS:
            del self._strange[next(iter(self._strange))]
        self._strange[account] = (count, now)
        return count > self.MOST


class Echoes:
    """Knows the bot's own words when somebody says them to it: a relay that repeats what it reads."""

    #: Answers that are kept in mind, and how much of each.
    MOST = 200
    LENGTH = 60

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def said(self, words: str) -> None:
        """Note an answer."""
        self._said[self._key(words)] = None
        if len(self._said) > self.MOST:
            del self._said[next(iter(self._said))]

    def is_echo(self, call: Call) -> bool:
        """Tell whether a call by name says what the bot said."""
        return call.by_name and self._key(f"{call.name} {call.rest}") in self._said

    def _key(self, words: str) -> str:
        return " ".join(re.sub(r"[^\w\s]", "", words[: 2 * self.LENGTH]).lower().split())[: self.LENGTH]
