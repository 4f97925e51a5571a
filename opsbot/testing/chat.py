"""A homeserver, a clock and an outside world that do as they are told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from opsbot.bridged import Portal, SlackProof
from opsbot.errors import ChatUnreachableError
from opsbot.model import Probe, RoomFacts, SlackLogin, SlackNews


async def _nothing() -> None:
    """Do nothing."""


class FakeClock:
    """A clock that stands still until somebody sleeps."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
        #: Whether sleeping takes no time: while a job waits for people, time passes only by `pass_time`.
        self.still = False

    def now(self) -> datetime:
        """Return the time that has passed by sleeping."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Let time go by at once, and others have their turn."""
        if not self.still:
            self.pass_time(seconds)
        await asyncio.sleep(0.005 if self.still else 0)


class FakeChat:
    """A homeserver that knows what it was told of its rooms."""

    def __init__(self) -> None:
        self.rooms: dict[str, RoomFacts] = {}
        self.away = False
        #: Whether it takes nothing from the bot.
        self.deaf = False

    async def room(self, room_id: str) -> RoomFacts:
        """Return what was said of the room; a plain one otherwise."""
        if self.away:
            raise ChatUnreachableError
        return self.rooms.get(room_id, RoomFacts(room_id=room_id))

    async def room_id(self, name: str) -> str:
        """Return the name: a room of a bench has no other; an alias is not known while away."""
        if not name.startswith("!"):
            await self.room(name)
        return name

    async def round_trip(self, room_id: str) -> float:
        """Give back at once what it takes."""
        await self.room(room_id)
        if self.deaf:
            raise ChatUnreachableError
        return 0.0


class FakeOutside:
    """Services that answer as they were told to; all are well otherwise."""

    def __init__(self) -> None:
        self.ill: dict[str, str] = {}
        self.days: dict[str, float] = {}
        #: Awaited before each probe.
        self.before_probe: Callable[[], Awaitable[None]] = _nothing

    async def probe(self, service: str) -> Probe | None:
        """Answer well, or with the problem that was set."""
        await self.before_probe()
        problem = self.ill.get(service, "")
        return Probe(ok=not problem, latency=0.004, version="" if problem else "1.2.3", problem=problem)

    async def certificate_days(self, endpoint: str) -> float:
        """Return the days that were set; 60 otherwise."""
        return self.days.get(endpoint, 60.0)


class FakeSlack:
    """A way to Slack that is as it was told to be; well otherwise."""

    def __init__(self) -> None:
        self.trouble = ""
        self.said = SlackNews()
        self.portals: list[tuple[Portal, bool]] = []
        #: What comes of the next self-tests, and how many there were; None when there is no channel for it.
        self.proof: SlackProof | None = None
        self.tests = 0

    async def logins(self) -> Sequence[SlackLogin]:
        """Return one login, which is connected while there is no trouble."""
        state = "BAD_CREDENTIALS" if self.trouble else "CONNECTED"
        return (SlackLogin(id="T0TEAM-U0BOT", name="Acme - opsbot", state=state),)

    async def wrong(self) -> str:
        """Return the trouble."""
        return self.trouble

    async def news(self) -> SlackNews:
        """Return what was set."""
        return self.said

    async def channels(self) -> Sequence[tuple[Portal, bool]]:
        """Return what was set."""
        return self.portals

    async def test(self, *, within: float = 20.0) -> SlackProof | None:
        """Count it, and return what was set."""
        del within
        self.tests += 1
        return self.proof

    async def tested(self) -> SlackProof | None:
        """Return what was set."""
        return self.proof
