"""What a room is told by a bot whose memory ends at one moment and goes on at another."""

from collections.abc import Iterable
from datetime import datetime, tzinfo

from opsbot.model import Job, Text
from opsbot.render.jobs import title
from opsbot.render.text import lines
from opsbot.render.times import clock


def headline(job: Job) -> str:
    """Say what a person must do about a job that nobody follows any more."""
    told = f"`opsbot-host state {job.id}` on `{job.host}` tells what became of it"
    return f"It was open in the backup from which I was restored, and I do not follow it any more: {told}."


def restored_words(
    jobs: Iterable[Job], *, backed_up_at: datetime, restored_at: datetime, prefix: str, zone: tzinfo
) -> Text:
    """Say what is forgotten, and what to do about it; JOBS are those of the room."""
    began, ended = (clock(moment, zone, restored_at) for moment in (backed_up_at, restored_at))
    return lines(
        f"🗄️ I was restored from a backup: I remember nothing from {began} to {ended}. What was said here until then I "
        f"do not answer any more; send again what you still wait for. Holds are those of then: `{prefix}status` shows "
        "them, and what runs.",
        *(f"{title(job)}: {headline(job)}" for job in jobs),
    )
