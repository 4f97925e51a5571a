"""What Slack refuses. It is stricter here than Slack is on a good day, so that a bad day was practised."""

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from opsbot.workspace.model import Channel, Json, RefusedError, TooFastError

#: Characters of a message's blocks as JSON.
LONGEST_BLOCKS = 13_200
LONGEST_TEXT = 40_000
MOST_BLOCKS = 50
#: Seconds between two messages in a channel.
POST_GAP = 1.0
#: Edits in a minute, in the whole workspace.
UPDATES = 50
_MINUTE = 60.0
_TEXTS = frozenset({"rich_text_section", "rich_text_preformatted", "rich_text_quote", "rich_text_list"})


def check_message(text: str, blocks: Sequence[Json]) -> None:
    """Raise RefusedError for a message that Slack would not take."""
    if len(json.dumps(list(blocks), ensure_ascii=False, separators=(",", ":"))) > LONGEST_BLOCKS:
        raise RefusedError("msg_blocks_too_long")
    if len(text) > LONGEST_TEXT:
        raise RefusedError("msg_too_long")
    if len(blocks) > MOST_BLOCKS or not all(map(_is_sound, blocks)):
        raise RefusedError("invalid_blocks")
    if not text.strip() and not blocks:
        raise RefusedError("no_text")


def _is_sound(block: Json) -> bool:
    if block.get("type") != "rich_text":
        return isinstance(block.get("type"), str)
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        return False
    return all(one.get("type") in _TEXTS and isinstance(one.get("elements"), list) for one in elements)


def check_place(channel: Channel, member: str) -> None:
    """Raise RefusedError when a member cannot write in a channel."""
    if member not in channel.members:
        raise RefusedError("not_in_channel")
    if channel.archived:
        raise RefusedError("is_archived")


class Pace:
    """How often something may be done; NOW is in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last: defaultdict[str, float] = defaultdict(lambda: float("-inf"))
        self._updates: deque[float] = deque()

    def post(self, channel: str) -> None:
        """Take note of a message to a channel. Raises TooFastError."""
        now = self._now()
        if now - self._last[channel] < POST_GAP:
            raise TooFastError(1)
        self._last[channel] = now

    def update(self) -> None:
        """Take note of an edit. Raises TooFastError."""
        now = self._now()
        while self._updates and now - self._updates[0] >= _MINUTE:
            self._updates.popleft()
        if len(self._updates) >= UPDATES:
            raise TooFastError(int(_MINUTE - (now - self._updates[0])) + 1)
        self._updates.append(now)
