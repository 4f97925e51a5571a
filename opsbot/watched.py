"""A host that is watched: each question is told, and when the host is lost and is back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from opsbot.errors import HostError, HostUnreachableError, OpsbotError
from opsbot.happened import Event, HostAsked, HostBack, HostLost, Listener, Said
from opsbot.model import Json
from opsbot.ports import Host

#: Under these keys stand words of programs and of people.
_WORDS = frozenset({"text", "lines", "tail", "message", "why", "subject"})


class WatchedHost:
    """The port `Host`, before another one; what it sees goes to TELL.

    What programs said there, and the host's own sentences, are given on as SHOWN makes them: without secrets.
    """

    def __init__(
        self,
        host: Host,
        tell: Listener,
        *,
        now: Callable[[], float] = time.monotonic,
        shown: Callable[[str], str] = str,
    ) -> None:
        self.name = host.name
        self._host = host
        self._tell = tell
        self._now = now
        self._shown = shown
        self._lost_since: float | None = None

    async def ask(self, verb: str, arguments: Mapping[str, Json] | None = None, *, within: float = 30.0) -> Json:
        """Ask one VERB and return its result, WITHIN so many seconds; raises as the host does."""
        asked = self._now()
        try:
            result = await self._host.ask(verb, arguments, within=within)
        except BaseException as error:
            self._heard(verb, asked, error)
            raise
        self._heard(verb, asked, None)
        return _told(result, self._shown)

    async def follow(self, job: str, log: str, offset: int, *, seconds: int = 60) -> AsyncIterator[Json]:
        """Yield the lines of a log as the host does."""
        asked = self._now()
        try:
            async for line in self._host.follow(job, log, offset, seconds=seconds):
                yield _told(line, self._shown)
        except BaseException as error:
            self._heard("follow", asked, error)
            raise
        self._heard("follow", asked, None)

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        await self._host.close()

    def _heard(self, verb: str, asked: float, error: BaseException | None) -> None:
        if isinstance(error, OpsbotError):
            error.args = (self._shown(str(error)),)
        said = _said(error)
        self._tell(HostAsked(host=self.name, verb=verb, said=said, seconds=self._now() - asked))
        if (change := self._change(said, error)) is not None:
            self._tell(change)

    def _change(self, said: Said, error: BaseException | None) -> Event | None:
        if said is Said.NOTHING and self._lost_since is None:
            self._lost_since = self._now()
            return HostLost(host=self.name, why=str(error))
        if said in {Said.YES, Said.NO} and self._lost_since is not None:
            since, self._lost_since = self._lost_since, None
            return HostBack(host=self.name, seconds=self._now() - since)
        return None


def _told(value: Json, shown: Callable[[str], str], *, words: bool = False) -> Json:
    """Return a value with its words SHOWN; what is no words of a program or a person (names, paths) stays."""
    match value:
        case str():
            return shown(value) if words else value
        case dict():
            return {key: _told(one, shown, words=words or key in _WORDS) for key, one in value.items()}
        case list():
            return [_told(one, shown, words=words) for one in value]
        case _:
            return value


def _said(error: BaseException | None) -> Said:
    match error:
        case None:
            return Said.YES
        case HostUnreachableError():
            return Said.NOTHING
        case HostError():
            return Said.NO
        case asyncio.CancelledError() | GeneratorExit():
            return Said.LEFT
        case _:
            return Said.BROKEN
