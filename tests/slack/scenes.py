"""Conversations in a channel, as a member of Slack sees them: read from a file, held anew, written down again."""

import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import RowMapping, select

from opsbot.letters import Letter
from opsbot.matrix.content import content_of
from opsbot.mautrix.toslack import blocks_of
from opsbot.model import Json, Post, RoomFacts, Text
from opsbot.store.schema import inbox, outbox
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM
from opsbot.words import NO, YES
from opsbot.workspace.model import Json as Block
from opsbot.workspace.richtext import Eyes
from opsbot.workspace.rules import check_message

SEEN = Path(__file__).parent / "seen"

_TITLE, _SITUATION, _SAID = "## ", re.compile(r"\((.+)\)"), re.compile(r"(\w+)> (.+)")
#: What differs from run to run: ids that are made of the event that asked, the hour by the machine's clock, and how
#: long something took by a clock that goes on when somebody waits.
_VARIES = (
    (r"\bj[a-z2-7]{15}\b", "j…"),
    (r"\b20\d\d-\d\d-\d\d \d\d:\d\d(:\d\d)?", "DATE"),
    (r"(?m)^([✔▶] [a-z]+), [\w .]+(?=:|$)", r"\1, …"),
    (r"goes back by itself in .*", "goes back by itself in …"),
    (r"asked for [\w ]+, for another .*", "asked for …, for another …"),
    (r"\b\d+ s from now", "… s from now"),
)

_TEAM, _BRIDGE = "T0TEAM", "@slackbot:example.org"
_LEVELS = {"alice": "member", "carl": "contributor", "dora": "deployer", "eve": "deployer", "adam": "admin"}
#: Who types in the channel; mallory is on Slack, and in nobody's configuration.
PEOPLE = {name: {"level": level, "slack": [f"U0{name.upper()}"]} for name, level in _LEVELS.items()}
_PORTAL = RoomFacts(
    room_id=ROOM,
    creator=_BRIDGE,
    bridges=((_BRIDGE, "example.org/slack", {"network": {"id": _TEAM}, "channel": {"id": f"{_TEAM}-C0OPS"}}),),
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A line of a scene: what somebody says, or, said by nobody, what is the case from now on."""

    who: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A conversation from its beginning to its end."""

    title: str
    steps: tuple[Step, ...]


def scenes_in(text: str) -> Iterator[Scene]:
    """Yield the scenes of a file; of what was answered there nothing is read."""
    for part in text.split(f"\n{_TITLE}")[1:]:
        title, *lines = part.splitlines()
        yield Scene(title=title, steps=tuple(step for line in lines if (step := _step(line)) is not None))


def _step(line: str) -> Step | None:
    if said := _SAID.fullmatch(line):
        return Step(who=said[1], words=said[2])
    situation = _SITUATION.fullmatch(line)
    return None if situation is None else Step(who="", words=situation[1])


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A message as Slack shows it at one time."""

    #: Where it is seen, and that it was something else before.
    place: str
    #: Its words before the bridge had them, what Slack is given, and what is seen of that.
    words: str
    blocks: list[Block]
    seen: str


def shown(place: str, text: Text) -> Shown:
    """Carry a message to Slack as the bridge does. Raises RefusedError where Slack would not take it."""
    post = Post(cause="", room_id=ROOM, text=text)
    blocks = blocks_of(content_of(Letter(post=post, transaction="")), {})
    check_message("", blocks)
    return Shown(place=place, words=text.body, blocks=blocks, seen=Eyes({}, {}).see(blocks, ""))


@dataclass(kw_only=True)
class Stage:
    """A bot whose one room is a channel of Slack, and what was said there."""

    bench: Bench
    every_edit: bool = False
    #: Who said what, by event.
    _speakers: dict[str, str] = field(default_factory=dict)
    _read: int = 0

    async def say(self, who: str, words: str) -> list[Shown]:
        """Say something, and return what that changed in the channel; ✅ and ❌ are reactions to the last request."""
        target = await self._request() if words in (YES, NO) else None
        await self.bench.say(f"@slack_t0team-u0{who}:example.org", words, reacts_to=target)
        newest = select(inbox.c.event_id).order_by(inbox.c.seq.desc()).limit(1)
        self._speakers[await self.bench.database.read(lambda c: c.execute(newest).scalar_one())] = who
        return await self.news()

    async def news(self) -> list[Shown]:
        """Return what has changed in the channel since somebody looked."""
        await self.bench.settle()
        query = select(outbox).where(outbox.c.seq > self._read).order_by(outbox.c.seq)
        rows = await self.bench.database.read(lambda c: c.execute(query).mappings().all())
        self._read = rows[-1]["seq"] if rows else self._read
        if not self.every_edit:
            rows = list({row["edits"] or row["cause"]: row for row in rows}.values())
        return [shown(self._place(row), Text(body=row["body"], html=row["html"])) for row in rows]

    def _place(self, row: RowMapping) -> str:
        speakers = list(self._speakers.items())
        thread = row["thread"]
        if thread is None:
            place = "in the channel"
        elif speakers and thread == speakers[-1][0]:
            place = "in the thread"
        else:
            place = f"in the thread of {self._speakers[thread]}"
        return f"{place}, edited" if row["edits"] else place

    async def _request(self) -> str:
        newest = select(outbox.c.cause).where(outbox.c.cause.contains(":consent:")).order_by(outbox.c.seq.desc())
        return await self.bench.database.read(lambda c: c.execute(newest.limit(1)).scalar_one())


#: What is the case: keys of the configuration, or what happens to the bot's world.
Situation = Json | Callable[[Stage], Awaitable[None] | None]


@asynccontextmanager
async def stage(folder: Path, settings: Json) -> AsyncIterator[Stage]:
    """Open a stage in a folder, with keys of the configuration replaced."""
    bridge = {"bot": _BRIDGE, "team": _TEAM, "channels": ["all"]}
    async with Bench.open(folder, **{"people": PEOPLE, "bridge": bridge, **settings}) as bench:
        bench.chat.rooms[ROOM] = _PORTAL
        bench.host.generations[0]["date"] = (bench.clock.now() - timedelta(days=9)).timestamp()
        yield Stage(bench=bench)
        bench.host.at_work = False
        await bench.settle()


def steady(text: str) -> str:
    """Take away what differs from run to run."""
    for pattern, word in _VARIES:
        text = re.sub(pattern, word, text)
    return text


def told_in(step: Step, answers: list[Shown]) -> str:
    """Write a step down as it stands in the files."""
    head = f"{step.who}> {step.words}" if step.who else f"({step.words})"
    blocks = itertools.chain.from_iterable((f"  {one.place}", _indented(one.seen)) for one in answers)
    return "\n".join([head, *blocks])


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in steady(text).split("\n"))
