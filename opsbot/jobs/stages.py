"""The stages that a deploy and a rollback share. Each is one durable step; each may end the job."""

from collections.abc import Collection

from opsbot.consent import what_of
from opsbot.errors import HostError, HostUnreachableError
from opsbot.jobs.consent import agreed
from opsbot.jobs.gate import gate, locked_elsewhere
from opsbot.jobs.preflight import PATIENCE, away, end_if_refused, preflight
from opsbot.jobs.turns import admit
from opsbot.jobs.work import Order, Work
from opsbot.model import Hold, JobKind, Json, Outcome
from opsbot.policy import decide_plan
from opsbot.render.hazards import refusal
from opsbot.render.jobs import commits, short, title
from opsbot.render.plans import impact, plan_text
from opsbot.render.text import lines, tail
from opsbot.words import PLATFORM

#: Seconds in which a host must have compared two systems; it gives itself 60.
_READING = 90.0


async def begin(work: Work) -> Json:
    """Look whether the job may begin; fix what must not change over a restart, whatever the configuration says then."""
    job = work.job
    project = work.site.config.projects.get(job.project)

    async def step() -> Json:
        window = None if project is None else project.window
        note = job.reason or title(job).replace("`", "")
        found = await admit(work)
        if not found["refused"]:
            found = await preflight(work)
        looked = found.get("looked", False)
        held, locked = (await _held(work), await locked_elsewhere(work)) if looked else ({}, {})
        more = {"held": held, "locked": locked}
        return {"note": note[:200], "window": {} if window is None else {"window": window}, **found, **more}

    fixed = await work.run.step("begin", step)
    end_if_refused(work, fixed, f"{job.project} {job.target}".rstrip() + " was not deployed")
    return fixed


async def _held(work: Work) -> Json:
    """Return why each project is held that the job may move without naming it; a dry run moves none."""
    job = work.job
    if job.dry_run or job.kind is not JobKind.DEPLOY:
        return {}
    return {hold.project: hold.reason for hold in await _holds(work) if hold.project != job.project}


async def prepare(work: Work, revision: str, on_host: str, fixed: Json) -> Json:
    """Have the host build what runs with the project at REVISION; end the job if there is nothing to activate."""
    arguments = {"project": work.job.project, "revision": revision, "note": fixed["note"]}
    if kept := {**fixed.get("held", {}), **fixed.get("locked", {})}:
        arguments["held"] = sorted(kept)
    order = Order(part="prepare", verb="prepare", on_host=on_host, arguments=arguments)

    async def step() -> tuple[Json, str]:
        try:
            built = await work.carry_out("prepare", order, patience=PATIENCE)
        except HostUnreachableError as error:
            built = {"status": "unreachable", "error": {"code": "unreachable", "message": away(error)}}
        except HostError as error:
            built = {"status": "failed", "error": {"code": error.code, "message": str(error)}}
        return {**built, "cancelled_by": await work.cancelled_by()}, _built_note(built)

    built = await work.stage("prepare", step)
    if built["status"] != "built":
        _end_unbuilt(work, built, revision, fixed)
    return built


def _built_note(built: Json) -> str:
    match built["status"]:
        case "built":
            return f"{short(built['pin'])} {built['subject'][:60]}".rstrip()
        case "unchanged":
            return f"{short(built['pin'])} is what runs"
        case other:
            return str(other)


def _end_unbuilt(work: Work, built: Json, revision: str, fixed: Json) -> None:
    job = work.job
    match built["status"]:
        case "unchanged":
            headline = f"{job.project} {short(built['pin'])} is what runs on `{job.host}` already; nothing was changed."
            raise work.ended(Outcome.UNCHANGED, headline)
        case "cancelled":
            who = built["cancelled_by"] or "somebody at the host"
            raise work.ended(
                Outcome.CANCELLED, f"{job.project} was cancelled by {who} while it was built; nothing was changed."
            )
        case "unreachable":
            raise work.ended(Outcome.FAILED, f"{built['error']['message']} Nothing was activated.")
        case "failed" if built["error"]["code"] == "held":
            held, locked = fixed.get("held") or {}, fixed.get("locked") or {}
            project = next(iter(built.get("held") or [*held, *locked]))
            why = locked.get(project) or _hold_words(project, held.get(project, ""))
            headline = f"{job.project} {revision[:40]} was not built: {why}"
            raise work.ended(Outcome.REFUSED, headline, code="locked" if project in locked else "held")
        case _:
            error = built["error"]
            what = f"`{built['derivation']}` failed" if built.get("derivation") else error["message"].rstrip(".")
            log = tail(built["tail"], count=20) if built.get("tail") else None
            headline = f"{job.project} {revision[:40]} was not built: {what}. Nothing was activated."
            raise work.ended(Outcome.FAILED, headline, more=log, code=error["code"])


async def plan(work: Work, **what: Json) -> Json:
    """Have the host compare what runs with what would run."""

    async def step() -> tuple[Json, str]:
        try:
            found = await work.ask("plan", "plan", within=_READING, **what)
        except HostError as error:
            return {"error": str(error)}, "failed"
        return found, impact(found, work.site.config.services)

    found = await work.stage("plan", step)
    if "error" in found:
        raise work.ended(Outcome.FAILED, f"The plan could not be made: {found['error']} Nothing was activated.")
    return found


async def agree(work: Work, found: Json, *, wanted: str, ref: str | None = None, back: bool = False) -> Json:
    """See that the one who asked may do what the plan shows, and that who must agree does. A dry run ends here.

    REF is the branch or tag that what is wanted was found on. BACK says that it ran before. Returns whose word it was,
    in `by`, where one was needed.
    """
    job = work.job

    async def step() -> Json:
        may = await _may(work, found, ref, back=back)
        learnt = {"decided": may["reason"], "system": found["system"], "base": found["base"]}
        await work.site.ledger.at_stage(job.id, "plan", learnt)
        if job.dry_run or not may["allowed"]:
            return may
        word = await agreed(work, found, what=wanted, ref=ref)
        # It may have taken hours: what was allowed then must be allowed now.
        return (
            word if not word.get("by") or not word["allowed"] else {**word, **await _may(work, found, ref, back=back)}
        )

    may = await work.run.step("agree", step)
    shown = lines(plan_text(found), commits(found["commits"]))
    if job.dry_run:
        but = "" if may["allowed"] else f" But not for {job.person}: {may['reason']}"
        headline = f"{wanted} would go to `{job.host}`. Nothing was activated.{but}"
        raise work.ended(Outcome.PLANNED, headline, more=shown)
    if not may["allowed"]:
        outcome = Outcome.CANCELLED if may.get("cancelled_by") else Outcome.REFUSED
        raise work.ended(outcome, f"{wanted} was not activated: {may['reason']}", more=shown)
    return may


def moved(found: Json) -> frozenset[str]:
    """Return what a plan moves for those who keep others away: the platform, too, where it changes what is nobody's."""
    return frozenset(found["moves"]) | ({PLATFORM.name} if found["foreign"] else frozenset())


def bound(found: Json, word: Json) -> Json:
    """Return what binds an activation to what somebody agreed to."""
    return {"system": found["system"]} if word.get("by") else {}


async def _may(work: Work, found: Json, ref: str | None, *, back: bool) -> Json:
    job, site = work.job, work.site
    ask, person = what_of(job, revision=ref), site.person(job.person)
    decision = decide_plan(person, ask, site.config.rules, moves=found["moves"], foreign=found["foreign"])
    if not decision.allowed:
        return {"allowed": False, "reason": decision.reason}
    against = await _in_the_way(work, found["moves"]) or (await gate(work, moved(found)))["refused"]
    against = against or refusal(found, back=back, options=job.options, prefix=site.config.prefix)
    return {"allowed": not against, "reason": against or decision.reason}


async def _in_the_way(work: Work, moves: Collection[str]) -> str:
    """Say which hold is on something that would move. Going back, or naming the project, is on purpose."""
    job = work.job
    if job.kind is JobKind.ROLLBACK:
        return ""
    held = next((one for one in await _holds(work) if one.project in moves and one.project != job.project), None)
    return _hold_words(held.project, held.reason) if held else ""


async def _holds(work: Work) -> list[Hold]:
    return [one for one in await work.site.ledger.holds() if one.host == work.job.host]


def _hold_words(project: str, reason: str) -> str:
    return f"there is a hold on {project}: {reason}. It ends when somebody deploys {project} by its name."


async def hold(work: Work, projects: Collection[str], reason: str) -> None:
    """Put a hold on projects, until somebody deploys them on purpose."""
    now = work.site.clock.now()
    new = [Hold(host=work.job.host, project=name, by=work.job.person, reason=reason, since=now) for name in projects]

    async def step() -> None:
        await work.site.ledger.hold(new)

    await work.run.step("hold", step)
