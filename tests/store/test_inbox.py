from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsbot.model import Decision, Job, JobKind, Message, Post, Text, job_id
from opsbot.store.database import Database
from opsbot.store.inbox import Inbox
from opsbot.store.ledger import Ledger
from opsbot.store.memory import Memory
from opsbot.store.outbox import Outbox
from opsbot.testimony import AuditEntry

ROOM = "!ops:test.local"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def inbox(database: Database) -> Inbox:
    """An empty inbox."""
    return Inbox(database)


def message(event_id: str, *, minute: int = 0, thread: str | None = None) -> Message:
    """Somebody's message."""
    return Message(
        event_id=event_id,
        room_id=ROOM,
        sender="@ada:test.local",
        body=f"say {event_id}",
        html=f"<b>say</b> {event_id}",
        thread=thread,
        sent_at=NOON + timedelta(minutes=minute),
    )


def answer(event_id: str) -> Post:
    """The answer to a message."""
    return Post(cause=f"answer:{event_id}", room_id=ROOM, text=Text(body="yes", html="yes"))


def job(event_id: str) -> Job:
    """The job that a message asks for."""
    return Job(
        id=job_id(event_id),
        kind=JobKind.DEPLOY,
        host="ops-jrz1",
        project="hello-bot",
        target="main",
        person="ada",
        room_id=ROOM,
        event_id=event_id,
        thread=event_id,
    )


async def test_a_message_comes_back_as_it_was(inbox: Inbox) -> None:
    """What was stored is what was said."""
    said = message("$1", thread="$root")
    await inbox.accept([said], position="s1")
    assert await inbox.open_messages() == [said]


async def test_a_message_that_no_table_would_take_stops_nobody(inbox: Inbox) -> None:
    """Whatever a homeserver passes on is stored: half a character or a zero byte does not hold up what comes after."""
    said = replace(message("$1"), body="!hello\0 \ud800", html="\0")
    await inbox.accept([said, message("$2")], position="s1")
    stored = await inbox.open_messages()
    assert [(one.event_id, one.body) for one in stored] == [("$1", "!hello ?"), ("$2", "say $2")]


async def test_a_message_is_accepted_once(inbox: Inbox) -> None:
    """A homeserver that says everything twice is heard once, also after the message is finished."""
    await inbox.accept([message("$1"), message("$1")], position="s1")
    await inbox.accept([message("$1"), message("$2")], position="s2")
    assert [said.event_id for said in await inbox.open_messages()] == ["$1", "$2"]
    await inbox.finish("$1")
    await inbox.accept([message("$1")], position="s3")
    assert [said.event_id for said in await inbox.open_messages()] == ["$2"]


async def test_messages_and_position_are_one_thing(inbox: Inbox, database: Database) -> None:
    """The position moves with the messages of its batch; without one it stays."""
    assert await inbox.position() is None
    await inbox.accept([message("$1")], position="s1", seen={ROOM: "$1"})
    await inbox.accept([], position=None)
    position = await Inbox(database).position()
    assert position is not None
    assert position[0] == "s1"
    assert await inbox.seen() == {ROOM: "$1"}


async def test_a_reaction_knows_its_target(inbox: Inbox) -> None:
    """What a message is a reaction to is kept with it."""
    await inbox.accept([replace(message("$1"), body="✅", reacts_to="$0")], position="s1")
    assert [(one.body, one.reacts_to) for one in await inbox.open_messages()] == [("✅", "$0")]


async def test_accepted_messages_are_known(inbox: Inbox) -> None:
    """A gap is filled back to the first message that is known."""
    await inbox.accept([message("$1")], position="s1")
    assert await inbox.knows(["$0", "$1"] + [f"$x{n}" for n in range(1200)]) == {"$1"}


async def test_finishing_is_one_thing(inbox: Inbox, database: Database) -> None:
    """A message ends with its answer, its audit entry and its numbered job, all together."""
    await inbox.accept([message("$1")], position="s1")
    decision = Decision(allowed=True, reason="Ada is a deployer.")
    entry = AuditEntry(
        at=NOON, person="ada", account="@ada:test.local", room_id=ROOM, event_id="$1", what="deploy", decision=decision
    )
    started = await inbox.finish("$1", posts=[answer("$1")], audit=entry, job=job("$1"))
    assert started is not None
    assert started.number == 1
    assert await inbox.open_messages() == []
    assert await Outbox(database).depth() == 1
    assert await Ledger(database).job("1") == started
    audited = await database.read(lambda c: c.exec_driver_sql("SELECT person, reason FROM audit").all())
    assert audited == [("ada", "Ada is a deployer.")]


async def test_finishing_twice_changes_nothing(inbox: Inbox, database: Database) -> None:
    """A message that is finished again gives the same job and says nothing more."""
    await inbox.accept([message("$1")], position="s1")
    first = await inbox.finish("$1", posts=[answer("$1")], job=job("$1"))
    more = Post(cause="more", room_id=ROOM, text=Text(body="more", html="more"))
    assert await inbox.finish("$1", posts=[more], job=job("$1")) == first
    assert await Outbox(database).depth() == 1


async def test_a_finished_message_leaves_no_words_behind(inbox: Inbox, database: Database) -> None:
    """The bot remembers that it has seen a message, not what people say to each other."""
    await inbox.accept([message("$1")], position="s1")
    await inbox.finish("$1")
    assert await database.read(lambda c: c.exec_driver_sql("SELECT body, html FROM inbox").all()) == [("", None)]


async def test_what_is_remembered_can_be_replaced_and_forgotten(database: Database) -> None:
    """Small things outlive the process until they are forgotten."""
    memory = Memory(database)
    await memory.remember("room:a_b", "1")
    await memory.remember("room:a_b", "2")
    await memory.remember("roomXc", "3")
    assert await memory.recall("room:a_b") == "2"
    assert await memory.recall_all("room:") == {"a_b": "2"}
    await memory.forget("room:a_b")
    assert await memory.recall("room:a_b") is None


async def test_what_a_bridge_brings_again_is_the_same_message(inbox: Inbox) -> None:
    """A member's message that comes as another event, in the same room or a new one, is not heard again.

    At another time, by another member, or as a reaction, it is another one. Matrix people may be as fast as they like.
    """
    said = replace(message("$1"), sender="@slack_t0-u0ada:test.local")
    again = replace(said, event_id="$2")
    await inbox.accept([said, again], position="s1")
    await inbox.finish("$1")
    later = replace(said, event_id="$4", sent_at=NOON + timedelta(milliseconds=1))
    other = replace(said, event_id="$5", sender="@slack_t0-u0ben:test.local")
    reaction = replace(said, event_id="$6", reacts_to="$0")
    native = [message("$7"), message("$8")]
    await inbox.accept([replace(again, room_id="!new:test.local"), later, other, reaction, *native], position="s2")
    await inbox.accept([replace(again, event_id="$9")], position="s3")
    assert [one.event_id for one in await inbox.open_messages()] == ["$4", "$5", "$6", "$7", "$8"]
