"""What was done to a host without the bot, as a room reads it."""

from collections.abc import Mapping

from opsbot.model import Job, Json, Text
from opsbot.render.jobs import short, title
from opsbot.render.text import one_line, words

_DID = {"confirm": "kept what it had activated", "revert": "asked to go back to what ran before"}


def acted(host: str, row: Json, job: Job | None) -> Text:
    """Say what a person did to a job at the console."""
    done = row["console"]
    who, did = one_line(str(done["by"]), longest=32), _DID.get(done["verb"], one_line(str(done["verb"]), longest=32))
    what = f"`{row['job']}`, a job that I do not know" if job is None else title(job)
    return words(f"🖥️ At the console of `{host}`, {who} {did}: {what}. It is {row['activate']} there.")


def became(job: Job, row: Json) -> Text:
    """Say how a job ended on its host after all."""
    return words(f"🖥️ {title(job)}: I could not tell its end; on `{job.host}` it is {row['activate']} now.")


def moved(host: str, now: Mapping[str, Json], job: Job | None) -> Text:
    """Say that something else runs than the bot put there; JOB made it, once, if the bot knows that."""
    commit = f", commit {short(now['commit'])}" if now["commit"] else ", no commit is known"
    which = "a system without a generation" if now["generation"] is None else f"generation {now['generation']}"
    by = "" if not now["job"] else f", made by job `{now['job']}`" if job is None else f", made by {title(job)}"
    return words(
        f"🖥️ `{host}` runs {which}{commit}{by}, which is not what I put there: a switch by hand, or a reboot. "
        "A deploy builds on what runs, and so on this."
    )
