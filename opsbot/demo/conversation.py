"""What is said in the demo's room, as somebody who sits there sees it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from opsbot.demo.speaker import AwayError, Line
from opsbot.demo.stage import Stage

#: How a report begins while its job runs (see opsbot.render.jobs).
OPEN = "⏳"
#: Seconds between two looks at the room.
_LOOK = 0.2


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Something that was said, and all that was answered to it so far."""

    #: Answers in the thread on it, as they are now.
    answers: tuple[Line, ...] = ()
    #: What the bot told the room itself since.
    told: tuple[Line, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether a job of it is open."""
        return any(line.body.startswith(OPEN) for line in self.answers)

    @property
    def ended(self) -> bool:
        """Whether everything was answered: a job has ended when the room has its closing line."""
        if not self.answers or self.runs:
            return False
        reported = any(line.edits for line in self.answers)
        return bool(self.told) or not reported


class Conversation:
    """The room, followed for as long as somebody asks."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def ask(self, name: str, words: str, *, within: float, show: Callable[[Exchange], None]) -> Exchange:
        """Say WORDS as a person of the team and wait, WITHIN so many seconds, until they are answered to the end.

        SHOW is called with each change. What is returned may be unfinished. A homeserver that goes away meanwhile is
        waited for; raises AwayError when it was away before.
        """
        person = self._stage.people[name]
        said = await person.say(self._stage.room_id, words)
        exchange = Exchange()
        try:
            async with asyncio.timeout(within):
                while not exchange.ended:
                    with contextlib.suppress(AwayError):
                        now = _exchange(await person.lines(self._stage.room_id), said)
                        if now != exchange:
                            exchange = now
                            show(exchange)
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            return exchange
        return exchange


def _exchange(lines: list[Line], said: str) -> Exchange:
    """Find what belongs to an event: the bot's lines in its thread, and the closing line of its job."""
    since = next((place for place, line in enumerate(lines) if line.event_id == said), len(lines))
    answers = tuple(line for line in lines if line.thread == said and line.sender.startswith("@opsbot"))
    numbers = [number for line in answers if (number := _number(line.body))]
    told = tuple(
        line
        for line in lines[since:]
        if line.thread is None
        and line.sender.startswith("@opsbot")
        and any(f"({number}," in line.body for number in numbers)
    )
    return Exchange(answers=answers, told=told)


def _number(body: str) -> str | None:
    """Return a report's job, like #42; None for any other answer."""
    words = body.split(maxsplit=2)
    return words[1] if len(words) > 2 and words[1].startswith("#") and words[1][1:].isdigit() else None  # noqa: PLR2004 - sign, number, title
