"""The self-test of the way to Slack: one message in a channel kept for it, edited in place, proved by the bridge."""

import asyncio
import json
from dataclasses import asdict
from datetime import datetime

from opsbot.bridged import SlackProof
from opsbot.errors import ChatRefusedError
from opsbot.letters import Courier, Memory
from opsbot.model import Json, Text
from opsbot.ports import Clock
from opsbot.receipts import GiveUp, hint, verdict
from opsbot.render.text import lines, words

#: Seconds that the message may take to Slack, with the bridge's word of it.
WITHIN = 20.0
#: What the bridge says when Slack wants a pause.
_BUSY = "rate limit"
MISSING = (
    "The self-test has no room for its channel, {}: type `/invite @opsbot` there, then any word: the bridge makes the "
    "room with the first one."
)
_MESSAGE, _LAST = "slack.test.message", "slack.test.last"


class SelfTest:
    """Tests the way to the CHANNEL, and remembers what came of it; nothing of it is in the outbox."""

    def __init__(self, courier: Courier, memory: Memory, clock: Clock, *, channel: str) -> None:
        self._courier = courier
        self._memory = memory
        self._clock = clock
        self._channel = channel
        self._turn = asyncio.Lock()

    async def prove(self, *, within: float = WITHIN) -> SlackProof:
        """Test it once. Raises ChatUnreachableError while the homeserver is away: nothing is known of Slack then."""
        async with self._turn:
            began = self._clock.now()
            problem = await self._problem(began, within)
            seconds = (self._clock.now() - began).total_seconds()
            proof = SlackProof(at=began, seconds=seconds, problem=problem, busy=_BUSY in problem)
            await self._memory.remember(_LAST, json.dumps({**asdict(proof), "at": began.isoformat()}))
            return proof

    async def last(self) -> SlackProof | None:
        """Return what came of the last test, also of one before a restart."""
        kept = json.loads(await self._memory.recall(_LAST) or "null")
        return kept and SlackProof(**{**kept, "at": datetime.fromisoformat(kept["at"])})

    async def _problem(self, now: datetime, within: float) -> str:
        try:
            portals = await self._courier.portals()
            room = next((one.room_id for one in portals if one.channel == self._channel), None)
            if room is None:
                return MISSING.format(self._channel)
            return await self._send(room, _said(now), within)
        except ChatRefusedError as error:
            return f"The homeserver did not take the self-test: {error}"

    async def _send(self, room: str, text: Text, within: float) -> str:
        known: Json = json.loads(await self._memory.recall(_MESSAGE) or "{}")
        target = known.get("event") if known.get("room") == room else None
        problem, advice = await self._try(room, text, target, within)
        if problem and target is not None and advice is not None:
            # The message is gone, in Slack or in the bridge's memory: another one takes its place.
            problem, advice = await self._try(room, text, None, within)
        if not problem:
            return ""
        return f"The self-test did not reach Slack: {problem.rstrip('.')}. {advice or hint(problem)}".rstrip()

    async def _try(self, room: str, text: Text, target: str | None, within: float) -> tuple[str, str | None]:
        """Send it once; return the problem, and the advice where trying again is of no use."""
        event = await self._courier.hand_in(room, text, edits=target)
        if target is None:
            # Before anything is known of it: the next test edits it, whatever happens meanwhile.
            await self._memory.remember(_MESSAGE, json.dumps({"room": room, "event": event}))
        problem = (await self._courier.word_of(event, within=within)).problem
        found = verdict(problem, 0)
        return problem, found.advice if isinstance(found, GiveUp) else None


def _said(now: datetime) -> Text:
    return lines(
        words(f"Self-test of the way to Slack: {now:%Y-%m-%d %H:%M} UTC."),
        words("I edit this message every ten minutes. When it is much older, I may not hear what is said here."),
    )
