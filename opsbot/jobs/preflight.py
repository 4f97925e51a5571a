"""What speaks against a job before anything is built: asked of the host, and of its clock compared with ours.

Its answer is kept in the step that is a job's first anyway: a version that knows nothing of it finds the steps that
it expects, and so does this one in a job that such a version began.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from opsbot.answers import PROTOCOL, NotThatHostError
from opsbot.errors import HostError, HostUnreachableError
from opsbot.jobs.work import Work
from opsbot.model import JobKind, Json, Outcome
from opsbot.render.times import duration

#: Seconds in which a host must answer before anything was begun there.
PATIENCE = 600.0
#: Seconds for one question: an answer is never older.
_WITHIN = 30.0
#: What going back cannot be done under, either. All else is told, and going back is tried.
_ALWAYS = frozenset({"switching", "unreachable"})


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that speaks against a job: a word for the machine, a sentence, and whether a deploy may go on."""

    code: str
    message: str
    bearable: bool = False


async def preflight(work: Work, *, patience: float | None = PATIENCE) -> Json:
    """Look whether a job may begin; within a step. Return `refused`, its `codes`, and whether the host has `looked`."""
    await work.progress.begin("preflight")
    looked, problems = await _asked(work, patience)
    going_back = work.job.kind is JobKind.ROLLBACK
    stops = [one for one in problems if (one.code in _ALWAYS if going_back else not one.bearable)]
    await work.progress.finish("preflight", " ".join(one.message for one in problems if one not in stops))
    refused = " ".join(one.message for one in stops)
    return {"refused": refused, "codes": [one.code for one in stops], "looked": looked}


def end_if_refused(work: Work, found: Json, what: str) -> None:
    """End the job when something speaks against it."""
    if not found.get("refused"):
        return
    kinds = {"unreachable": Outcome.FAILED, "cancelled": Outcome.CANCELLED, "replaced": Outcome.CANCELLED}
    outcome = next((kinds[code] for code in found["codes"] if code in kinds), Outcome.REFUSED)
    headline = f"{what}: {found['refused']} Nothing was built, and nothing was activated."
    raise work.ended(outcome, headline, code=" ".join(found["codes"]))


def away(error: HostUnreachableError) -> str:
    """Say for how long a host was asked, unless it is plain that asking on would change nothing."""
    return str(error) if isinstance(error, NotThatHostError) else f"No answer for {duration(PATIENCE)}: {error}"


async def _asked(work: Work, patience: float | None) -> tuple[bool, list[Problem]]:
    """Return whether the host knows how to look, and what it and we have found."""
    about: dict[str, Json] = {"project": work.job.project} if work.job.project else {}
    began = work.site.clock.now()
    try:
        answer = await work.ask("preflight", "preflight", patience=patience, within=_WITHIN, **about)
    except HostUnreachableError as error:
        return False, [Problem(code="unreachable", message=away(error))]
    except HostError as error:
        if error.code == "bad-request":
            return False, await _older(work)
        return False, [_in_vain(work, error)]
    now = work.site.clock.now()
    earliest = max(began.timestamp(), now.timestamp() - _WITHIN)
    try:
        found = [Problem(code=str(one["code"]), message=str(one["message"])) for one in answer["problems"]]
        return True, [*_protocol(work, answer), *found, *_clock(work, answer, earliest, now)]
    except (KeyError, TypeError, ValueError):
        return False, [_in_vain(work, "opsbot-host there answers what this bot does not understand.")]


async def _older(work: Work) -> list[Problem]:
    """Say what a helper without this verb means: an older one that speaks our protocol goes on as it always did."""
    try:
        facts = await work.host.ask("facts", {}, within=_WITHIN)
        said = f"opsbot-host {facts['version']} on `{work.job.host}` is older than this bot and cannot look first."
        return _protocol(work, facts) or [Problem(code="helper", message=said, bearable=True)]
    except (HostError, HostUnreachableError) as error:
        return [_in_vain(work, error)]
    except (KeyError, TypeError):
        return [_in_vain(work, "opsbot-host there answers what this bot does not understand.")]


def _in_vain(work: Work, why: object) -> Problem:
    return Problem(code="helper", message=f"`{work.job.host}` could not be looked at first: {why}")


def _protocol(work: Work, said: Json) -> list[Problem]:
    theirs, host = said["protocol"], f"`{work.job.host}`"
    if theirs == PROTOCOL:
        return []
    spoken = f"opsbot-host {said['version']} on {host} speaks version {theirs} of the protocol, and this bot {PROTOCOL}"
    newer = isinstance(theirs, int) and theirs > PROTOCOL
    older = "upgrade opsbot-host to this bot's version, by `nixos-rebuild switch` there"
    todo = "upgrade this bot to the host's version" if newer else older
    return [Problem(code="protocol", message=f"{spoken}: {todo}.")]


def _clock(work: Work, said: Json, earliest: float, now: datetime) -> list[Problem]:
    """Compare the clocks: the end of a window is told as a time, so they must be near each other."""
    theirs, limit = float(said["time"]), float(said["clock"])
    apart = max(theirs - now.timestamp(), earliest - theirs)
    if apart <= limit:
        return []
    clocks = f"{datetime.fromtimestamp(theirs, UTC):%H:%M:%S} there, {now:%H:%M:%S} here (UTC)"
    message = f"The clock of `{work.job.host}` and mine are {duration(apart)} apart ({clocks})"
    return [Problem(code="clock", message=f"{message}: set the wrong one right (`timedatectl` on both).")]
