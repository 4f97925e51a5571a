from collections.abc import Sequence

from opsbot.letters import Receipt
from opsbot.testing.chat import FakeClock, FakeSlack
from opsbot.unconfirmed import PATIENCE, Unconfirmed


class Silent:
    """Receipts of which some are missing."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.noted: list[Receipt] = []

    async def note(self, receipts: Sequence[Receipt]) -> None:
        """Keep what was noted."""
        self.noted += receipts
        self.missing -= {receipt.event_id for receipt in receipts}

    async def unconfirmed(self) -> frozenset[str]:
        """Return what is missing."""
        return frozenset(self.missing)


class Desk:
    """A bridge, a clock, and somebody who looks."""

    def __init__(self) -> None:
        self.slack, self.receipts, self.clock = FakeSlack(), Silent(), FakeClock()
        self._watch = Unconfirmed(self.slack, self.receipts, self.clock)

    async def look(self, *, after: float = 0.0) -> list[str]:
        """Look after some seconds; return the events that count as lost."""
        self.clock.pass_time(after)
        self.receipts.noted.clear()
        await self._watch.look(self.slack)
        return [receipt.event_id for receipt in self.receipts.noted]


async def test_what_the_bridge_says_nothing_of_for_a_minute_is_lost() -> None:
    """A message without a word of the bridge counts as lost after a minute, once; one that is younger does not."""
    desk = Desk()
    desk.receipts.missing = {"$1"}
    assert await desk.look() == []
    desk.receipts.missing |= {"$2"}
    assert await desk.look(after=PATIENCE / 2) == []
    assert await desk.look(after=PATIENCE / 2) == ["$1"]
    assert await desk.look(after=PATIENCE / 2) == ["$2"]
    assert await desk.look(after=PATIENCE) == []


async def test_a_word_that_comes_late_is_a_word() -> None:
    """What the bridge speaks of in time is not lost."""
    desk = Desk()
    desk.receipts.missing = {"$1"}
    await desk.look()
    desk.receipts.missing = set()
    assert await desk.look(after=PATIENCE) == []


async def test_while_the_bridge_is_away_nothing_is_lost() -> None:
    """The minute begins when the bridge is well: until then the homeserver has the message for it."""
    desk = Desk()
    desk.receipts.missing = {"$1"}
    await desk.look()
    desk.slack.trouble = "The bridge cannot be reached."
    assert await desk.look(after=PATIENCE) == []
    desk.slack.trouble = ""
    assert await desk.look(after=PATIENCE) == []
    assert await desk.look(after=PATIENCE) == ["$1"]
