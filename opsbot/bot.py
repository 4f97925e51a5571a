"""The path of a message: from an event in the inbox to an answer in the outbox, or to a job."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace

from opsbot.addressed import Ear, Echoes, Strangeness
from opsbot.context import Context
from opsbot.errors import ChatUnreachableError, OpsbotError, RefusedError, UsageError
from opsbot.floodgate import Floodgate
from opsbot.happened import Answered, Decided, end_of, nothing
from opsbot.intake import Intake
from opsbot.model import Decision, Job, Level, Message, Post, Text
from opsbot.people import identify, names_of
from opsbot.render.jobs import first_words
from opsbot.render.text import fit, one_line, words
from opsbot.render.times import age
from opsbot.site import Site
from opsbot.testimony import AuditEntry
from opsbot.turn import NotForUsError, Stage, Turn
from opsbot.words import YES

log = logging.getLogger(__name__)

#: Seconds after which a command is not run any more: whoever sent it has gone on, or has sent it again.
TOO_OLD = 120
#: Seconds that a command which only answers may take.
LONGEST_ANSWER = 60
#: Seconds until the inbox is looked at without being told, which also shows that the loop turns.
LOOK = 20.0


class Bot:
    """Takes messages out of the inbox and sees each through the stages; accounts do not wait for one another."""

    def __init__(
        self,
        site: Site,
        wake: asyncio.Event | None = None,
        *,
        on_turn: Callable[[], None] = nothing,
        look: float = LOOK,
    ) -> None:
        self._site = site
        self._ear = Ear(site.config.prefix, site.config.homeserver.user)
        self._echoes, self._strangeness, self._floodgate = Echoes(), Strangeness(), Floodgate(site)
        self._intake = Intake(
            site.inbox,
            site.clock,
            calls=self._calls,
            handle=self.handle,
            wake=wake or asyncio.Event(),
            on_turn=on_turn,
            look=look,
        )
        self.stages: tuple[Stage, ...] = (
            self.addressed,
            self.who,
            self.within_limits,
            self.fresh,
            self.what,
            self.may_they,
            self.do_it,
        )

    async def run(self) -> None:
        """See every message of the inbox through; what is cut off is done again at the next start."""
        await self._intake.run()

    def _calls(self, message: Message) -> bool:
        """Tell whether a message is to be seen through."""
        if message.reacts_to is not None:
            return True
        call = self._ear.hear(message.body)
        command = None if call is None else self._site.commands.find(call.name)
        return call is not None and not self._floodgate.is_shut(message, "" if command is None else command.name)

    async def handle(self, message: Message) -> None:
        """See one message through the stages and store what came of it, in one transaction."""
        try:
            await self._see_through(message)
        finally:
            self._floodgate.done(message.event_id)

    async def _see_through(self, message: Message) -> None:
        turn, began = Turn(message=message), asyncio.get_running_loop().time()
        try:
            for stage in self.stages:
                turn = await stage(turn)
        except NotForUsError:
            await self._site.inbox.finish(message.event_id)
            return
        except ChatUnreachableError:
            raise
        except OpsbotError as error:
            turn = replace(turn, answer=words(str(error)), problem=error, decision=_decided(turn, error))
        except Exception as error:
            reference = secrets.token_hex(3)
            log.exception("command failed", extra={"reference": reference, "event": message.event_id})
            sentence = f"Something broke in me while I did that. An admin finds it in my log under `{reference}`."
            turn = replace(turn, answer=words(sentence), problem=error)
        job = await self._finish(turn)
        self._tell(turn, job, asyncio.get_running_loop().time() - began)

    async def _finish(self, turn: Turn) -> Job | None:
        message = turn.message
        posts = [] if turn.answer is None else [self._answer(message, turn.answer)]
        job = await self._site.inbox.finish(message.event_id, posts=posts, audit=self._audit(turn), job=turn.job)
        if job is not None:
            await self._site.outbox.post(first_words(job))
            await self._site.engine.start(job)
        return job

    def _tell(self, turn: Turn, job: Job | None, seconds: float) -> None:
        command = self._site.commands.find(turn.name)
        answered = Answered(
            command="" if command is None else command.name,
            person=turn.person.name,
            event=turn.message.event_id,
            end=end_of(turn.problem, allowed=turn.decision is None or turn.decision.allowed, job=job is not None),
            seconds=seconds,
            job=None if job is None else job.number,
        )
        self._site.tell(answered)

    def _answer(self, message: Message, text: Text) -> Post:
        thread = message.thread or message.event_id
        self._echoes.said(text.body)
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
            what=one_line(f"{turn.name} {turn.rest}"),
            decision=turn.decision,
        )

    async def addressed(self, turn: Turn) -> Turn:
        """Take the name of the command; what has none is not for us."""
        if turn.message.reacts_to is not None:
            return await self._word(turn, turn.message.reacts_to)
        call, sender = self._ear.hear(turn.message.body), turn.message.sender
        if call is None:
            raise NotForUsError
        if self._site.commands.find(call.name) is not None:
            self._strangeness.understood(sender)
        elif self._echoes.is_echo(call) or self._strangeness.too_much(sender, self._site.clock.now().timestamp()):
            raise NotForUsError
        return replace(turn, name=call.name, rest=call.rest)

    async def _word(self, turn: Turn, target: str) -> Turn:
        """Take a sign on a request for somebody's word as the command that it stands for."""
        name, asks, _ = (await self._site.outbox.cause_of(target) or "").partition(":consent:")
        if not asks:
            raise NotForUsError
        job = await self._site.ledger.job(name)
        # Nothing hangs on a reaction: what is answered belongs to the request.
        message = turn.message if job is None else replace(turn.message, thread=job.thread)
        return replace(turn, message=message, name="approve" if message.body == YES else "deny", rest=name)

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
        rooms = names_of(room, bridge=config.bridge, server=config.homeserver.server)
        return replace(turn, person=person, rooms=rooms)

    async def within_limits(self, turn: Turn) -> Turn:
        """Pass over what is more than the limits allow."""
        self._floodgate.admit(turn)
        return turn

    async def what(self, turn: Turn) -> Turn:
        """Parse the words into a command and its arguments."""
        prefix = self._site.config.prefix
        if not turn.name:
            raise UsageError(f"Yes? `{prefix}help` lists what I can do.")
        if any(self._ear.marks(line) for line in turn.rest.splitlines()):
            raise UsageError("Nothing of this was run: send one command in a message.")
        return replace(turn, invocation=self._site.parse(turn.name, turn.rest))

    async def may_they(self, turn: Turn) -> Turn:
        """Decide; a refusal goes no further, and says why."""
        assert turn.invocation is not None  # noqa: S101 - the stage before has put it there
        decision = self._site.decide(turn.person, turn.invocation, turn.rooms)
        decided = replace(turn, decision=decision)
        self._site.tell(
            Decided(
                command=turn.invocation.command.name,
                person=turn.person.name,
                event=turn.message.event_id,
                room=turn.message.room_id,
                allowed=decision.allowed,
                reason=decision.words,
            )
        )
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
            arguments["ctx"] = Context(
                message=turn.message, person=turn.person, rooms=turn.rooms, site=self._site, plugin=command.plugin
            )
        try:
            async with asyncio.timeout(LONGEST_ANSWER):
                result = await command.function(**arguments)
        except TimeoutError:
            raise OpsbotError(f"`{command.name}` took longer than {LONGEST_ANSWER} s, so I stopped it.") from None
        match result:
            case Job():
                await self._floodgate.open(result, turn.person)
                return replace(turn, job=result)
            case Text():
                return replace(turn, answer=result)
            case _:
                return replace(turn, answer=words(str(result)))


def _decided(turn: Turn, error: OpsbotError) -> Decision | None:
    """Return what was decided: a command that refuses by itself has said no, whatever the policy said before."""
    no = Decision(allowed=False, reason=str(error).removeprefix("No: "))
    return no if isinstance(error, RefusedError) else turn.decision
