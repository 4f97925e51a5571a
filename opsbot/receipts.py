"""What to do when the bridge says that Slack did not take a message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.ailments import BAD_TOKEN, LACKS_SCOPE, NO_TOKEN

#: How often a message is sent again before it is given up: for a quarter of an hour.
MOST = 8
_FIRST, _LONGEST = 5.0, 300.0
_TOO_LONG = ("msg_too_long", "msg_blocks_too_long")
_WAIT = re.compile(r"retry after (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
#: Slack's codes that stay the same however often it is asked, with what to do about each.
_FOR_GOOD = {
    "not_in_channel": "The app is not in the channel: type `/invite @opsbot` there.",
    "channel_not_found": "The app cannot see the channel: type `/invite @opsbot` there.",
    "is_archived": "The channel is archived.",
    "is_inactive": "The channel is archived.",
    "missing_scope": LACKS_SCOPE,
    "restricted_action": "The workspace lets the app not post in the channel: its admins can.",
    "invalid_blocks": "Slack does not want what the bridge made of it.",
    "no_text": "Slack takes no empty message.",
    "cant_update_message": "The message is not the app's own any more.",
    "edit_window_closed": "The workspace lets nobody edit what is so old.",
    "message_not_found": "The message was deleted in Slack.",
    "not found": "The bridge does not know the message: its database may be a new one.",
    "ignoring": "The bridge does not carry such messages.",
}
#: What a person can mend while it is sent again.
_MENDABLE = dict.fromkeys(NO_TOKEN, BAD_TOKEN) | {"not logged in": "The bridge has no login: run `opsbot slack login`."}


@dataclass(frozen=True, kw_only=True)
class Again:
    """Send it again after so many seconds."""

    wait: float


@dataclass(frozen=True, kw_only=True)
class Shorter:
    """Send less of it, at once."""


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """Nothing helps; ADVICE says what a person can do."""

    advice: str


Verdict = Again | Shorter | GiveUp


def verdict(problem: str, repeats: int) -> Verdict:
    """Decide what becomes of a message that was sent again so often already."""
    if repeats >= MOST:
        return GiveUp(advice=hint(problem) or "The command `bridge` says how the bridge is.")
    if any(code in problem for code in _TOO_LONG):
        return Shorter()
    if told := _found(problem, _FOR_GOOD):
        return GiveUp(advice=told)
    asked = _WAIT.search(problem)
    if asked is not None and any(asked.groups()):
        hours, minutes, seconds = (int(part or 0) for part in asked.groups())
        return Again(wait=3600.0 * hours + 60.0 * minutes + seconds + 1.0)
    return Again(wait=min(_FIRST * 2**repeats, _LONGEST))


def hint(problem: str) -> str:
    """Return what a person can do so that a message arrives that is sent again; empty where nobody knows."""
    return _found(problem, _MENDABLE)


def advice(problem: str) -> str:
    """Return what is to be said of a message that Slack did not take; empty where nobody knows."""
    return _found(problem, _FOR_GOOD) or hint(problem)


def _found(problem: str, sentences: Mapping[str, str]) -> str:
    return next((sentence for code, sentence in sentences.items() if code in problem), "")
