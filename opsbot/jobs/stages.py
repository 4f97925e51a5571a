"""The stages that a deploy and a rollback share. Each is one durable step; each may end the job."""

from collections.abc import Collection

from opsbot.errors import HostError, HostUnreachableError
from opsbot.jobs.work import Order, Work
from opsbot.model import Decision, Hold, JobKind, Json, Level, Outcome
from opsbot.policy import decide_plan
from opsbot.render.jobs import commits, short, title
from opsbot.render.plans import impact, plan_text
from opsbot.render.text import lines, tail
from opsbot.rules import Ask

#: Seconds in which a host must answer before anything was begun there.
_PATIENCE = 600.0
#: Seconds in which a host must have compared two systems; it gives itself 60.
_READING = 90.0
#: Seconds to wait for another job to be done with the host.
_TURN = 1800.0
#: Seconds between the tries to publish.
_PUBLISH_PAUSES = (2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)


async def begin(work: Work) -> Json:
    """Fix what must not change over a restart, whatever the configuration says then."""
    job = work.job
    project = work.site.config.projects.get(job.project)

    async def step() -> Json:
        window = None if project is None else project.window
        note = job.reason or title(job).replace("`", "")
        return {"note": note[:200], "window": {} if window is None else {"window": window}}

    return await work.run.step("begin", step)


async def prepare(work: Work, revision: str, on_host: str, *, note: str) -> Json:
    """Have the host build what runs with the project at REVISION; end the job if there is nothing to activate."""
    arguments = {"project": work.job.project, "revision": revision, "note": note}
    order = Order(part="prepare", verb="prepare", on_host=on_host, arguments=arguments)

    async def step() -> tuple[Json, str]:
        try:
            built = await work.carry_out("prepare", order, patience=_PATIENCE)
        except HostUnreachableError as error:
            built = {"status": "unreachable", "error": {"code": "unreachable", "message": str(error)}}
        except HostError as error:
            built = {"status": "failed", "error": {"code": error.code, "message": str(error)}}
        return {**built, "cancelled_by": await work.cancelled_by()}, _built_note(built)

    built = await work.stage("prepare", step)
    if built["status"] != "built":
        _end_unbuilt(work, built, revision)
    return built


def _built_note(built: Json) -> str:
    match built["status"]:
        case "built":
            return f"{short(built['pin'])} {built['subject'][:60]}".rstrip()
        case "unchanged":
            return f"{short(built['pin'])} is what runs"
        case other:
            return str(other)


def _end_unbuilt(work: Work, built: Json, revision: str) -> None:
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
            headline = f"`{job.host}` could not be reached for {_PATIENCE / 60:.0f} minutes. Nothing was activated."
            raise work.ended(Outcome.FAILED, headline)
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


async def agree(work: Work, found: Json, *, wanted: str, ref: str | None = None) -> None:
    """See that the one who asked may do what the plan shows. A dry run ends here. The place for approvals.

    REF is the branch or tag that what is wanted was found on.
    """
    job = work.job

    async def step() -> Json:
        decision = _decide(work, found, ref)
        held = await _in_the_way(work, found["moves"])
        reason = f"there is a hold on {held.project}: {held.reason}." if held else decision.reason
        return {"allowed": decision.allowed and held is None, "reason": reason}

    agreed = await work.run.step("agree", step)
    shown = lines(plan_text(found), commits(found["commits"]))
    if job.dry_run:
        but = "" if agreed["allowed"] else f" But not for {job.person}: {agreed['reason']}"
        headline = f"{wanted} would go to `{job.host}`. Nothing was activated.{but}"
        raise work.ended(Outcome.PLANNED, headline, more=shown)
    if not agreed["allowed"]:
        raise work.ended(Outcome.REFUSED, f"{wanted} was not activated: {agreed['reason']}", more=shown)


def _decide(work: Work, found: Json, ref: str | None) -> Decision:
    job, site = work.job, work.site
    ask = Ask(
        command=job.kind.value,
        needs=Level.DEPLOYER,
        rooms=frozenset((job.details or {}).get("rooms", [])),
        projects=frozenset({job.project} - {""}),
        hosts=frozenset({job.host}),
        revision=ref,
    )
    person = site.person(job.person)
    return decide_plan(person, ask, site.config.rules, moves=found["moves"], foreign=found["foreign"])


async def _in_the_way(work: Work, moves: Collection[str]) -> Hold | None:
    """Return a hold on something that would move. Going back, or naming the project, is on purpose."""
    job = work.job
    if job.kind is JobKind.ROLLBACK:
        return None
    holds = await work.site.ledger.holds()
    return next((h for h in holds if h.host == job.host and h.project in moves and h.project != job.project), None)


async def take_turn(work: Work) -> None:
    """Take the host's lock, waiting for the job that has it."""
    job = work.job
    began = work.site.clock.now()

    async def step() -> Json:
        waits = False
        while True:
            holder = await work.site.ledger.take_lock(job.host, job.id)
            cancelled = await work.cancelled_by()
            waited = (work.site.clock.now() - began).total_seconds()
            if holder is None or cancelled or waited > _TURN:
                if waits:
                    await work.progress.finish("turn", "")
                return {"holder": None if holder is None else title(holder), "cancelled_by": cancelled}
            if not waits:
                await work.progress.begin("turn")
            waits = True
            await work.progress.note("turn", f"waiting for {title(holder)}")
            await work.site.clock.sleep(2)

    turn = await work.run.step("turn", step)
    if turn["cancelled_by"]:
        raise work.ended(Outcome.CANCELLED, f"Cancelled by {turn['cancelled_by']}; nothing was activated.")
    if turn["holder"] is not None:
        raise work.ended(
            Outcome.REFUSED, f"`{job.host}` was busy for too long with {turn['holder']}. Nothing was activated."
        )


async def publish(work: Work, on_host: str) -> Json:
    """Have the host push what runs now, again for a while: the deploy itself may have restarted the forge.

    Where main cannot take it, ask for it in a pull request.
    """
    order = Order(part="publish", verb="publish", on_host=on_host)

    async def once() -> Json:
        try:
            return await work.carry_out("publish", order)
        except HostError as error:
            return {"status": "failed", "error": {"code": error.code, "message": str(error)}}

    async def step() -> tuple[Json, str]:
        published = await once()
        for pause in _PUBLISH_PAUSES:
            if published["status"] != "failed":
                break
            await work.progress.note("publish", f"trying again: {published['error']['message']}")
            await work.site.clock.sleep(pause)
            published = await once()
        published = await _with_pull_request(work, published)
        return published, publish_note(published)

    return await work.stage("publish", step)


async def _with_pull_request(work: Work, published: Json) -> Json:
    if published.get("main") != "branch" or work.site.forge is None:
        return published
    body = f"What runs on {work.job.host}; main could not take it by itself."
    try:
        url = await work.site.forge.open_pull_request(
            branch=published["branch"], title=title(work.job).replace("`", ""), body=body
        )
    except Exception as error:  # noqa: BLE001 - whatever the forge does, the deploy is done and is told
        return {**published, "pull_request_error": str(error)}
    return {**published, "pull_request": url}


def publish_note(published: Json) -> str:
    """Say what became of the branches."""
    if published["status"] == "failed":
        return f"NOT published: {published['error']['message']} What runs is not on the platform's branches."
    if published.get("deployed", "pushed") != "pushed":
        return f"NOT published: {published['deployed']}"
    if published.get("main") != "branch":
        return {"pushed": "on main", "same": "main has it", "untouched": ""}.get(published.get("main", ""), "")
    where = published.get("pull_request") or f"the branch {published['branch']}"
    return f"main could not take it: merge {where}"


async def hold(work: Work, projects: Collection[str], reason: str) -> None:
    """Put a hold on projects, until somebody deploys them on purpose."""
    now = work.site.clock.now()
    new = [Hold(host=work.job.host, project=name, by=work.job.person, reason=reason, since=now) for name in projects]

    async def step() -> None:
        await work.site.ledger.hold(new)

    await work.run.step("hold", step)
