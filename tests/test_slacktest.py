from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from opsbot.bridged import Portal
from opsbot.errors import ChatRefusedError, ChatUnreachableError
from opsbot.letters import Receipt
from opsbot.model import Text
from opsbot.slacktest import SelfTest
from opsbot.store.database import Database
from opsbot.store.memory import Memory
from opsbot.testing.chat import FakeClock

KEPT = Portal(room_id="!kept:x", channel="C0TEST", name="#bridge-test")


class FakeCourier:
    """A way to channels on which the next messages meet the problems that are set."""

    def __init__(self) -> None:
        self.inside: list[Portal] = [KEPT]
        self.problems: list[str] = []
        self.error: Exception | None = None
        #: Each message: its room, and the event that it replaces.
        self.sent: list[tuple[str, str | None]] = []

    async def portals(self) -> Sequence[Portal]:
        """Return the channels."""
        return self.inside

    async def hand_in(self, room_id: str, text: Text, *, edits: str | None) -> str:
        """Take it, or raise what is set."""
        assert text.body
        if self.error is not None:
            raise self.error
        self.sent.append((room_id, edits))
        return f"${len(self.sent)}"

    async def word_of(self, event_id: str, *, within: float) -> Receipt:
        """Say the next problem, or none."""
        assert within > 0
        return Receipt(event_id=event_id, problem=self.problems.pop(0) if self.problems else "")


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    """A memory on a disk."""
    database = Database(f"sqlite:///{tmp_path / 'opsbot.db'}")
    yield Memory(database)
    await database.close()


def begun(courier: FakeCourier, memory: Memory) -> SelfTest:
    """Return a self-test, as after a start."""
    return SelfTest(courier, memory, FakeClock(), channel="C0TEST")


async def test_one_message_is_edited_for_ever(memory: Memory) -> None:
    """The first test posts a message, those after it edit that message, also after a restart."""
    courier = FakeCourier()
    assert [(await begun(courier, memory).prove()).problem for _ in range(3)] == ["", "", ""]
    assert courier.sent == [("!kept:x", None), ("!kept:x", "$1"), ("!kept:x", "$1")]


@pytest.mark.parametrize("gone", ["message_not_found", "target message of edit not found", "edit_window_closed"])
async def test_a_message_that_is_gone_is_replaced_at_once(memory: Memory, gone: str) -> None:
    """Where the message cannot be edited any more, another one is posted, and the test is passed with it."""
    courier = FakeCourier()
    await begun(courier, memory).prove()
    courier.problems = [gone]
    assert (await begun(courier, memory).prove()).problem == ""
    await begun(courier, memory).prove()
    assert [edits for _, edits in courier.sent] == [None, "$1", None, "$3"]


async def test_a_new_room_for_the_channel_gets_a_message_of_its_own(memory: Memory) -> None:
    """After the bridge's database was lost the channel has another room: the old message is not edited there."""
    courier = FakeCourier()
    await begun(courier, memory).prove()
    courier.inside = [Portal(room_id="!new:x", channel="C0TEST", name="#bridge-test")]
    await begun(courier, memory).prove()
    assert courier.sent == [("!kept:x", None), ("!new:x", None)]


@pytest.mark.parametrize(
    ("problems", "sentence"),
    [
        (["slack rate limit exceeded, retry after 3s"], "slack rate limit exceeded, retry after 3s."),
        (
            ["not logged in (no usable logins found)"],
            "not logged in (no usable logins found). The bridge has no login: run `opsbot slack login`.",
        ),
        (["is_archived"], "is_archived. The channel is archived."),
        (["not_in_channel"], "not_in_channel. The app is not in the channel: type `/invite @opsbot` there."),
    ],
)
async def test_what_slack_says_is_told_with_what_to_do(memory: Memory, problems: list[str], sentence: str) -> None:
    """A test that fails says Slack's word, and the advice that there is; it is remembered over a restart."""
    courier = FakeCourier()
    courier.problems = problems
    proof = await begun(courier, memory).prove()
    assert proof.problem == f"The self-test did not reach Slack: {sentence}"
    assert proof.busy is ("rate limit" in sentence)
    assert await begun(courier, memory).last() == proof
    assert len(courier.sent) == 1


async def test_without_its_channel_the_test_fails(memory: Memory) -> None:
    """Where the app was not invited to the channel, the test says so; no other channel gets the message."""
    courier = FakeCourier()
    courier.inside = [Portal(room_id="!ops:x", channel="C0OPS", name="#bridge-test")]
    assert "type `/invite @opsbot` there, then any word" in (await begun(courier, memory).prove()).problem
    assert courier.sent == []


async def test_a_homeserver_that_is_away_says_nothing_of_slack(memory: Memory) -> None:
    """While the homeserver is away nothing is known; when it refuses the message, the test has failed."""
    courier = FakeCourier()
    courier.error = ChatUnreachableError("away")
    with pytest.raises(ChatUnreachableError):
        await begun(courier, memory).prove()
    assert await begun(courier, memory).last() is None
    courier.error = ChatRefusedError("you are not in the room")
    assert "you are not in the room" in (await begun(courier, memory).prove()).problem
