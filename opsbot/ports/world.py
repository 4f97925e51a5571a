"""The world outside: the time, the chat, the hosts, the forge, and what runs jobs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from opsbot.bridged import Portal, SlackProof
from opsbot.model import Job, Json, Probe, RoomFacts, SlackLogin, SlackNews


class Clock(Protocol):
    """The time, so that tests need not wait for it."""

    def now(self) -> datetime:
        """Return the present, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for SECONDS."""
        ...


class Chat(Protocol):
    """The homeserver, as seen by the logic. Raises ChatUnreachableError when it is away."""

    async def room(self, room_id: str) -> RoomFacts:
        """Return what the state of a room says (kept for a while)."""
        ...

    async def room_id(self, name: str) -> str:
        """Return the id of a configured room, of which NAME is the id or an alias."""
        ...

    async def round_trip(self, room_id: str) -> float:
        """Send something through a room that nobody sees, and read it back; return the seconds that it took."""
        ...


class Host(Protocol):
    """One managed host (docs/host-protocol.md).

    Raises HostUnreachableError when nobody knows, HostError when the host said no.
    """

    name: str

    async def ask(self, verb: str, arguments: Mapping[str, Json] | None = None, *, within: float = 30.0) -> Json:
        """Ask one VERB and return its result, WITHIN so many seconds."""
        ...

    def follow(self, job: str, log: str, offset: int, *, seconds: int = 60) -> AsyncIterator[Json]:
        """Yield the lines of a log from a byte OFFSET on; the last item is `{"state": …}`."""
        ...

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        ...


class Forge(Protocol):
    """Where the repositories live. Raises ForgeError."""

    async def open_pull_request(self, *, branch: str, title: str, body: str) -> str:
        """Ask for BRANCH to be merged into the platform's main; return the request's address. Idempotent by branch."""
        ...


class Outside(Protocol):
    """What can be seen of the services without the host's help."""

    async def probe(self, service: str) -> Probe | None:
        """Ask a configured service over HTTP or TCP; None when it has no probe."""
        ...

    async def certificate_days(self, endpoint: str) -> float:
        """Return the days until the certificate at HOST:PORT expires. Raises OSError with the reason."""
        ...


class Slack(Protocol):
    """The way to Slack, behind its bridge."""

    async def logins(self) -> Sequence[SlackLogin]:
        """Return the bot's logins with Slack. Raises BridgeError."""
        ...

    async def wrong(self) -> str:
        """Return the sentence about what keeps us from Slack; empty when nothing does."""
        ...

    async def news(self) -> SlackNews:
        """Return when something last came and went."""
        ...

    async def channels(self) -> Sequence[tuple[Portal, bool]]:
        """Return the channels that the bot is in, and whether it listens there. Raises ChatUnreachableError."""
        ...

    async def test(self, *, within: float = 20.0) -> SlackProof | None:
        """Send a message to Slack and wait for the bridge's word that it arrived; None without a channel for that.

        Raises ChatUnreachableError while the homeserver is away.
        """
        ...

    async def tested(self) -> SlackProof | None:
        """Return what came of the last such test, if there was one."""
        ...


class Engine(Protocol):
    """Runs jobs so that they outlive the process."""

    async def start(self, job: Job) -> None:
        """Start a job; one that was started before is not started again."""
        ...


class Run(Protocol):
    """What a running job holds: steps that are remembered."""

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Do a piece of work and remember its result. After a crash an unfinished one is done again."""
        ...
