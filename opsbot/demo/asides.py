"""What the bot says in the demo's room by itself: the words of a schedule or a hook, and notices."""

import asyncio
import re
from collections.abc import Callable

from opsbot.demo.speaker import Line, SpeakerError
from opsbot.demo.stage import Stage

#: Seconds between two looks at the room.
_LOOK = 1.0
#: A job's closing line: whoever has asked for the job is shown it (opsbot.demo.conversation).
_CLOSING = re.compile(r"\(#\d+, ")


async def follow(stage: Stage, say: Callable[[str], None]) -> None:
    """SAY what nobody has asked for, from now on, for ever."""
    seen = {line.event_id for line in await _asides(stage)}
    while True:
        await asyncio.sleep(_LOOK)
        for line in await _asides(stage):
            if line.event_id not in seen:
                seen.add(line.event_id)
                say(line.body)


async def _asides(stage: Stage) -> list[Line]:
    try:
        lines = await stage.people["member"].lines(stage.room_id)
    except SpeakerError:
        # The homeserver is away for a while: it tells later.
        return []
    return [
        line
        for line in lines
        if line.thread is None and line.sender.startswith("@opsbot") and not _CLOSING.search(line.body)
    ]
