"""A request for somebody's word: one message with all that is to be known, and what became of it."""

from collections.abc import Sequence

from opsbot.consent import Request
from opsbot.model import Job, Json, Text
from opsbot.render.jobs import commits, title
from opsbot.render.plans import plan_text
from opsbot.render.text import fit, lines, words
from opsbot.render.times import duration
from opsbot.testimony import Verdict
from opsbot.words import NO, YES


def request_text(
    job: Job, request: Request, plan: Json, *, what: str, able: Sequence[str], alone: int | None, prefix: str
) -> Text:
    """Ask for a word: what would be done, why it is asked for, who may give it, and how."""
    reasons = f" Because {'; '.join(request.need.reasons)}." if request.need.reasons else ""
    return fit(
        lines(
            words(f"✋ {title(job)}: {what} waits for somebody's word.{reasons}"),
            commits(plan["commits"]),
            plan_text(plan),
            words(f"Reason: {job.reason}") if job.reason else None,
            words(f"{_who(request, able, alone)} {YES} here or `{prefix}approve {job.number}`; "),
            words(f"{NO} here or `{prefix}deny {job.number} REASON`. It is asked for {_left(request)}."),
        )
    )


def _who(request: Request, able: Sequence[str], alone: int | None) -> str:
    if able:
        return f"May agree: {', '.join(able)}."
    if alone is None:
        return "Nobody may agree: an admin must add a person, or set approvals.alone."
    return f"Nobody else could agree, so {request.asker} may, with a reason, after {duration(alone)}."


def _left(request: Request) -> str:
    return duration(request.expires_at - request.asked_at)


def reminder(job: Job, able: Sequence[str]) -> Text:
    """Ask once more."""
    return words(f"✋ #{job.number} still waits for the word of {' or '.join(able) or job.person}.")


def said(job: Job, verdict: Verdict) -> Text:
    """Say what became of a request."""
    sign = YES if verdict.agreed else NO
    how = "agreed alone, for nobody else could" if verdict.alone else "agreed" if verdict.agreed else "said no"
    reason = f": {verdict.reason}" if verdict.reason else "."
    return words(f"{sign} {title(job)}: {verdict.person} {how}{reason}")


def over(job: Job, why: str) -> Text:
    """Say that a request is void, and why."""
    return words(f"◌ {title(job)}: this request is void: {why}")
