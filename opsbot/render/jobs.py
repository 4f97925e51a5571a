"""A job as people see it: the report that is edited as it goes along, and the line that closes it."""

from collections.abc import Mapping, Sequence

from opsbot.model import Job, JobKind, Json, Outcome, Post, Text
from opsbot.render.text import fit, lines, tail, words
from opsbot.render.times import duration
from opsbot.words import PLATFORM

#: How many lines of a log a report shows while the job runs.
LIVE_LINES = 6

_SIGNS = {
    Outcome.DONE: "✅",
    Outcome.UNCHANGED: "✅",
    Outcome.PLANNED: "📋",
    Outcome.REFUSED: "⛔",
    Outcome.FAILED: "❌",
    Outcome.UNDONE: "↩️",
    Outcome.CANCELLED: "✋",
    Outcome.BROKEN: "🚨",
    Outcome.STAGED: "🔁",
}


def short(commit: str | None) -> str:
    """Shorten a commit id for reading."""
    return (commit or "unknown")[:7]


def title(job: Job) -> str:
    """Say what was asked for, as it was asked."""
    match job.kind:
        case JobKind.DEPLOY if job.project == PLATFORM.name:
            asked = f"deploy platform {job.target}"
        case JobKind.DEPLOY:
            asked = f"deploy {job.project} {job.target}"
        case JobKind.PROVE:
            asked = f"proof of {job.target} after the reboot"
        case JobKind.ROLLBACK:
            asked = f"rollback {job.project or job.target}".strip()
        case JobKind.PUBLISH:
            asked = f"publish {job.target}"
        case _:  # a kind that only the next version knows
            asked = f"{job.kind} {job.project} {job.target}".strip()
    dry = " (dry run)" if job.dry_run else ""
    options = "".join(f" --{name}" for name in job.options)
    return f"#{job.number} {asked}{options}{dry} on `{job.host}`, for {job.person}"


def report_cause(job: Job) -> str:
    """Name the message that reports on a job."""
    return f"{job.id}:report"


def first_words(job: Job) -> Post:
    """Make the report as it is when the job is accepted."""
    return Post(cause=report_cause(job), room_id=job.room_id, text=report(job, {}, now=0.0), thread=job.thread)


def report(job: Job, stages: Mapping[str, Json], *, now: float, log: Sequence[str] = ()) -> Text:
    """Show an open job: its stages with the time they took, and the last lines of its log; NOW in Unix seconds."""
    rows = [_stage(name, stage, now) for name, stage in stages.items()]
    return fit(lines(f"⏳ {title(job)}", *rows, tail(log, count=LIVE_LINES, width=120) if log else None))


def final_report(job: Job, stages: Mapping[str, Json], *, outcome: Outcome, headline: str, more: Text | None) -> Text:
    """Show a job that has ended."""
    rows = [_stage(name, stage, stage.get("began", 0.0)) for name, stage in stages.items() if "took" in stage]
    return fit(lines(f"{_SIGNS.get(outcome, '•')} {title(job)}", *rows, words(headline), more))


def closing_line(job: Job, outcome: Outcome, headline: str) -> Text:
    """Tell the room the end, in one line."""
    reason = f" Reason: {job.reason}" if job.reason else ""
    return fit(words(f"{_SIGNS.get(outcome, '•')} {headline} (#{job.number}, {job.person}){reason}"))


def _stage(name: str, stage: Json, now: float) -> Text:
    note = f": {stage['note']}" if stage.get("note") else ""
    if "took" in stage:
        return words(f"✔ {name}, {duration(stage['took'])}{note}")
    return words(f"▶ {name}, {duration(now - stage['began'])}{note}")


def quiet_words(job: Job, *, seconds: float, prefix: str) -> Text:
    """Say that nothing was heard of a job for so long, and what a person can do."""
    return words(
        f"⏳ {title(job)}: no news for {duration(seconds)}, at {job.stage}. I go on by myself as soon as I can. "
        f"See whether `{job.host}` can be reached: `opsbot-host state {job.id}` there shows what it does, "
        f"`{prefix}cancel {job.number}` ends it."
    )


def summary(job: Job, *, age: str) -> Text:
    """Show a job in one line of a list."""
    state = job.stage if job.outcome is None else str(job.outcome)
    return words(f"{title(job)}: {state}, {age}")


def commits(found: Sequence[Json]) -> Text | None:
    """List commits: the newest 10, one line each."""
    shown = [f"{short(one['commit'])} {one['subject'][:60]} ({one['author']})" for one in found[:10]]
    if len(found) > len(shown):
        shown.append(f"… and {len(found) - len(shown)} more")
    return tail(shown, count=11) if shown else None


def failed_units(units: Sequence[Json]) -> Text | None:
    """Show the last lines of units that failed."""
    shown = [
        part for one in units[:3] for part in (words(f"`{one['unit']}`:"), tail(one["lines"], count=10, width=160))
    ]
    return lines(*shown) if shown else None
