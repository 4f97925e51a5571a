"""The path of a message: from an event in the inbox to an answer in the outbox, or to a job."""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from opsbot.commands import Invocation, parse, split, suggestion
from opsbot.context import Context
from opsbot.errors import ChatUnreachableError, OpsbotError, RefusedError, UsageError
from opsbot.model import STRANGER, AuditEntry, Decision, Job, Level, Message, Person, Post, Text
from opsbot.people import identify
from opsbot.policy import decide
from opsbot.render.jobs import first_words
from opsbot.render.text import fit, words
from opsbot.render.times import age
from opsbot.site import Site

log = logging.getLogger(__name__)

#: Seconds after which a command is not run any more: whoever sent it has gone on, or has sent it again.
TOO_OLD = 120
#: Seconds that a command which only answers may take.
LONGEST_ANSWER = 60
#: Seconds until a message is tried again that came when the homeserver had gone.
_PATIENCE = 2

#: Commands of our neighbours in the room: the bridge and the homeserver.
_NEIGHBOURS = frozenset({"slack", "admin"})
_NAME = re.compile(r"([A-Za-z][A-Za-z-]*)(?:\s+|$)")


class NotForUsError(Exception):
    """The message is no command."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A message on its way; each stage adds what it found."""

    message: Message
    name: str = ""
    rest: str = ""
    person: Person = STRANGER
    invocation: Invocation | None = None
    decision: Decision | None = None
    answer: Text | None = None
    job: Job | None = None


Stage = Callable[[Turn], Awaitable[Turn]]


class Bot:
    """Takes messages out of the inbox and sees each through the stages, side by side."""

    def __init__(self, site: Site, wake: asyncio.Event | None = None) -> None:
        self._site = site
        #: Set when there is something new in the inbox.
        self._wake = wake or asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self.stages: tuple[Stage, ...] = (
            self.addressed,
            self.fresh,
            self.who,
            self.what,
            self.may_they,
            self.do_it,
        )

    async def run(self) -> None:
        """See every message of the inbox through; what is cut off is done again at the next start."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                for message in await self._site.inbox.open_messages():
                    if message.event_id not in self._running:
                        self._running[message.event_id] = tasks.create_task(self._see_through(message))
                await self._wake.wait()

    async def _see_through(self, message: Message) -> None:
        try:
            await self.handle(message)
        except ChatUnreachableError:
            # Nobody can be told who asked: the message stays in the inbox, and its turn comes again.
            await self._site.clock.sleep(_PATIENCE)
            self._wake.set()
        finally:
            self._running.pop(message.event_id, None)

    async def handle(self, message: Message) -> None:
        """See one message through the stages and store what came of it, in one transaction."""
        turn = Turn(message=message)
        try:
            for stage in self.stages:
                turn = await stage(turn)
        except NotForUsError:
            await self._site.inbox.finish(message.event_id)
            return
        except ChatUnreachableError:
            raise
        except OpsbotError as error:
            turn = replace(turn, answer=words(str(error)))
        except Exception:
            reference = secrets.token_hex(3)
            log.exception("command failed", extra={"reference": reference, "event": message.event_id})
            sentence = f"Something broke in me while I did that. An admin finds it in my log under `{reference}`."
            turn = replace(turn, answer=words(sentence))
        await self._finish(turn)

    async def _finish(self, turn: Turn) -> None:
        message = turn.message
        posts = [] if turn.answer is None else [self._answer(message, turn.answer)]
        job = await self._site.inbox.finish(message.event_id, posts=posts, audit=self._audit(turn), job=turn.job)
        if job is not None:
            await self._site.outbox.post(first_words(job))
            await self._site.engine.start(job)

    def _answer(self, message: Message, text: Text) -> Post:
        thread = message.thread or message.event_id
        return Post(cause=f"answer:{message.event_id}", room_id=message.room_id, text=fit(text), thread=thread)

    def _audit(self, turn: Turn) -> AuditEntry | None:
        if turn.decision is None:
            return None
        return AuditEntry(
            at=self._site.clock.now(),
            person=turn.person.name,
            account=turn.message.sender,
            room_id=turn.message.room_id,
            event_id=turn.message.event_id,
            what=f"{turn.name} {turn.rest}".strip(),
            decision=turn.decision,
        )

    async def addressed(self, turn: Turn) -> Turn:
        """Take the name of the command; what has none is not for us."""
        body = turn.message.body.strip()
        prefix = self._site.config.prefix
        match = _NAME.match(body, len(prefix)) if body.startswith(prefix) else None
        if match is None or match.group(1).lower() in _NEIGHBOURS:
            raise NotForUsError
        return replace(turn, name=match.group(1).lower(), rest=body[match.end() :].strip())

    async def fresh(self, turn: Turn) -> Turn:
        """Refuse what is too old, however it came to be so."""
        seconds = (self._site.clock.now() - turn.message.sent_at).total_seconds()
        if seconds > TOO_OLD:
            raise RefusedError(f"Not run: too old. You sent it {age(seconds)}; send it again if you still want it.")
        return turn

    async def who(self, turn: Turn) -> Turn:
        """Find the person behind the account."""
        config = self._site.config
        room = await self._site.chat.room(turn.message.room_id)
        person = identify(
            turn.message, room, people=config.people, bridge=config.bridge, server=config.homeserver.server
        )
        return replace(turn, person=person)

    async def what(self, turn: Turn) -> Turn:
        """Parse the words into a command and its arguments."""
        prefix = self._site.config.prefix
        command = self._site.commands.get(turn.name)
        if command is None:
            meant = suggestion(turn.name, self._site.commands.keys(), shape=prefix + "{}")
            raise UsageError(f"There is no command `{prefix}{turn.name}`.{meant} `{prefix}help` lists them.")
        invocation = parse(command, split(turn.rest), choices=self._site.choices, prefix=prefix)
        return replace(turn, invocation=invocation)

    async def may_they(self, turn: Turn) -> Turn:
        """Decide; a refusal goes no further, and says why."""
        assert turn.invocation is not None  # noqa: S101 - the stage before has put it there
        arguments = turn.invocation.arguments
        decision = decide(turn.person, needs=turn.invocation.command.needs, arguments=arguments)
        decided = replace(turn, decision=decision)
        if not decision.allowed:
            unknown = " Ask an admin to add you." if turn.person.level is Level.STRANGER else ""
            return replace(decided, answer=words(f"No: {decision.reason}{unknown}"))
        return decided

    async def do_it(self, turn: Turn) -> Turn:
        """Call the command; it answers with a text or asks for a job."""
        if turn.answer is not None or turn.invocation is None:
            return turn
        command = turn.invocation.command
        arguments = dict(turn.invocation.arguments)
        if command.wants_context:
            arguments["ctx"] = Context(message=turn.message, person=turn.person, site=self._site)
        try:
            async with asyncio.timeout(LONGEST_ANSWER):
                result = await command.function(**arguments)
        except TimeoutError:
            raise OpsbotError(f"`{command.name}` took longer than {LONGEST_ANSWER} s, so I stopped it.") from None
        match result:
            case Job():
                return replace(turn, job=result)
            case Text():
                return replace(turn, answer=result)
            case _:
                return replace(turn, answer=words(str(result)))
