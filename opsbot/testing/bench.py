"""The conversation bench: say something as somebody, and read what was answered."""

import itertools
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from opsbot.bot import Bot
from opsbot.config import Config
from opsbot.consent import Request
from opsbot.errors import ChatUnreachableError
from opsbot.hooks import Answer, Hooks
from opsbot.jobs.consent import reminder_cause, request_cause
from opsbot.jobs.runner import perform
from opsbot.line import ahead
from opsbot.masks import Masks
from opsbot.model import Job, Json, Message
from opsbot.plugins import Loaded, home, load
from opsbot.render.jobs import report_cause
from opsbot.site import Site
from opsbot.store.audit import Audit
from opsbot.store.database import Database
from opsbot.store.deliveries import Deliveries
from opsbot.store.inbox import Inbox
from opsbot.store.ledger import Ledger
from opsbot.store.outbox import Outbox
from opsbot.store.storage import PluginStorage
from opsbot.testing.chat import FakeChat, FakeClock, FakeOutside, FakeSlack
from opsbot.testing.configuration import ROOM, configuration
from opsbot.testing.engine import FakeEngine
from opsbot.testing.host import FakeHost
from opsbot.timetable import tick
from opsbot.triggers.grants import faults, granted
from opsbot.triggers.signed import signature

__all__ = ["ROOM", "SECRET", "Bench", "Posted"]

#: What a caller of any hook of a bench must know.
SECRET = "the secret of a bench's hooks"  # noqa: S105 - it opens nothing


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What came of a call of a hook."""

    #: The HTTP status and the sentence that the caller was answered.
    status: int
    sentence: str
    #: What was posted in the hook's room; empty for nothing.
    said: str


class Bench:
    """A whole bot with a real database, over a fake homeserver, host and engine."""

    def __init__(self, database: Database, config: Config, plugins: Loaded, masks: Masks) -> None:
        #: What is neither said nor stored; a test may teach them secrets.
        self.masks = masks
        self.clock = FakeClock()
        self.chat = FakeChat()
        self.outside = FakeOutside()
        self.slack = FakeSlack()
        self.engine = FakeEngine()
        self.host = FakeHost()
        self.host.now = lambda: self.clock.now().timestamp()
        self.database = database
        self.letters = Outbox(database)
        self._ids = itertools.count(1)
        # A bench that is opened again in the same folder is the same bot after a restart, which knows its old events.
        self._opened = secrets.token_hex(4)
        self.site = Site(
            config=config,
            commands=plugins.commands,
            problems=(*plugins.problems, *faults(config, plugins.schedules, plugins.hooks)),
            schedules=granted(config, plugins.schedules),
            hooks=plugins.hooks,
            deliveries=Deliveries(database),
            hosts=dict.fromkeys(config.hosts, self.host),
            inbox=Inbox(database),
            ledger=Ledger(database),
            outbox=_Delivered(self),
            audit=Audit(database),
            chat=self.chat,
            slack=self.slack,
            outside=self.outside,
            forge=None,
            engine=self.engine,
            clock=self.clock,
            storage=partial(PluginStorage, database),
        )
        # Late: a test may give the bench another site.
        self.engine.perform = lambda job_id, run: perform(job_id, run, self.site)
        self.engine.on_tick = lambda name, at, run: tick(name, at, run, self.site)
        self.bot = Bot(self.site)
        self._hooks = Hooks(self.site, dict.fromkeys(config.hooks, SECRET))
        #: What is in the room: event id -> words, edits applied.
        self.room: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *plugins: Path, **config: object) -> AsyncIterator[Self]:
        """Open a bench in a folder; PLUGINS are further folders of them, CONFIG replaces keys of the configuration.

        Without the key `hooks`, every hook of the plugins may be called.
        """
        masks = Masks()
        database = Database(f"sqlite:///{folder / 'opsbot.db'}", masks=masks)
        loaded = load(home(), *plugins)
        hooks = {name: {"room": ROOM, "secret_file": "hook"} for name in loaded.hooks}
        try:
            yield cls(database, configuration(**{"hooks": hooks, **config}), loaded, masks)
        finally:
            await database.close()

    async def say(
        self, person: str, text: str, *, sent_at: datetime | None = None, reacts_to: str | None = None
    ) -> str:
        """Say TEXT as PERSON (a level, or a full Matrix id); return all that was answered, a message a paragraph.

        Waits for the end of the job that the command began, or until it waits for somebody's word. With REACTS_TO, a
        message of the room by its key in `room`, the text is the sign of a reaction to it.
        """
        sender = person if person.startswith("@") else f"@{person}:example.org"
        number = next(self._ids)
        message = Message(
            event_id=f"$event{number}-{self._opened}",
            room_id=ROOM,
            sender=sender,
            body=text,
            # Nobody says two things in the same millisecond, however still the clock stands.
            sent_at=sent_at or self.clock.now() + timedelta(milliseconds=number),
            reacts_to=reacts_to,
        )
        await self.site.inbox.accept([message], position=None)
        return await self.hear(message)

    async def hear(self, message: Message) -> str:
        """See an accepted message through, and return what was answered."""
        return await self._heard(self.bot.handle(message))

    async def tick(self, schedule: str, *, at: datetime | None = None) -> str:
        """Let the time of a SCHEDULE come, AT some time or now; return what was posted. The same time comes once.

        Raises LookupError when there is no such schedule, or the configuration does not let it speak.
        """
        if schedule not in self.site.schedules:
            raise LookupError(f"There is no schedule {schedule}; {self.site.problems or sorted(self.site.schedules)}")
        return await self._heard(self.engine.tick(schedule, at or self.clock.now()))

    async def post(
        self, hook: str, body: Json, *, event: str = "", delivery: str = "", headers: Mapping[str, str] | None = None
    ) -> Posted:
        """Call a HOOK as Forgejo does, signed; return what it was answered, and what was posted in its room.

        BODY is bytes, or a value that goes as JSON. EVENT is what happened, like `push`; the same DELIVERY twice is one
        that the sender repeats. HEADERS, their names in small letters, replace those of Forgejo.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"content-type": "application/json", "x-forgejo-signature": signature(data, SECRET)}
        usual |= {"x-forgejo-event": event} if event else {}
        usual |= {"x-forgejo-delivery": delivery} if delivery else {}
        answers: list[Answer] = []

        async def call() -> None:
            answers.append(await self._hooks.receive(hook, usual if headers is None else headers, data))

        said = await self._heard(call())
        return Posted(status=answers[0].status, sentence=answers[0].sentence, said=said)

    async def _heard(self, work: Awaitable[object]) -> str:
        before = dict(self.room)
        await work
        await self.settle()
        return "\n\n".join(words for key, words in self.room.items() if before.get(key) != words)

    async def settle(self) -> None:
        """Wait until every job has ended or waits for people or for its turn, and deliver what was said."""
        while not await self.engine.finished(within=0.01):
            await self._deliver()
            jobs = await self.site.ledger.jobs(open_only=True)
            self.clock.still = bool(jobs) and all([await self._waits(job, jobs) for job in jobs])
            if self.clock.still:
                break
        await self._deliver()

    async def _waits(self, job: Job, jobs: list[Job]) -> bool:
        """Tell whether a job waits for a word, its turn, or a host that is told to stay at work, and says so."""
        report = self.room.get(report_cause(job), "")
        if {"cancelled_by", "replaced_by"} & job.details.keys() or f"▶ {job.stage}, " not in report:
            return False
        if job.stage in ("prepare", "queue"):
            return bool(ahead(job, jobs)) if job.stage == "queue" else self.host.at_work
        request = Request.of(job)
        if request is None or request.expires_at < self.clock.now().timestamp() or "waiting for" not in report:
            return False
        due = self.clock.now().timestamp() > request.asked_at + self.site.config.approvals.remind
        told = reminder_cause(job.id, request) if due else request_cause(job.id, request)
        return told in self.room and await self.site.ledger.verdict(job.id, request.system, request.base) is None

    async def _deliver(self) -> None:
        for room_id in await self.letters.rooms():
            while (letter := await self.letters.take(room_id)) is not None:
                self.room[letter.target or letter.post.cause] = letter.post.text.body
                await self.letters.mark_sent(letter.post.cause, letter.target or letter.post.cause)


class _Delivered:
    """The outbox of a bench: what is waited for counts as sent."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.post = bench.letters.post
        self.cause_of = bench.letters.cause_of

    async def sent(self, cause: str, *, within: float = 30.0) -> str:
        """Say that it was sent, unless the room is deaf."""
        if self._bench.chat.deaf:
            self._bench.clock.pass_time(within)
            raise ChatUnreachableError
        return cause
