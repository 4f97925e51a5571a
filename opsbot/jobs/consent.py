"""A job waits for somebody's word: durably, without a lock, until it is given, refused, cancelled or too late."""

from opsbot.consent import NOBODY, Request, able, may_agree, needed, what_of
from opsbot.jobs.work import Work
from opsbot.model import Job, Json, Post, Text
from opsbot.render.consent import over, reminder, request_text, said
from opsbot.render.times import duration
from opsbot.testimony import Verdict

#: Seconds between two looks for a word.
_LOOK = 1.0


def request_cause(job_id: str, request: Request) -> str:
    """Name the message that asks for a word; another system or another base is another request."""
    return f"{job_id}:consent:{request.mark}"


def reminder_cause(job_id: str, request: Request) -> str:
    """Name the message that says once more what is waited for."""
    return f"{request_cause(job_id, request)}:reminder"


async def agreed(work: Work, plan: Json, *, what: str, ref: str | None) -> Json:
    """Get the word that a plan needs; return `allowed` with `reason`, and whose word it was in `by`.

    Called again after a crash it goes on with the very request that was made.
    """
    kept = (await _current(work)).details.get("consent") or {}
    if kept.get("over") and (kept["system"], kept["base"]) == (plan["system"], plan["base"]):
        return kept
    request = await _request(work, plan, ref)
    if request is None:
        return {"allowed": True}
    await work.site.ledger.free_lock(work.job.host, work.job.id)
    job = await _current(work)
    people = able(request, work.site.config.rules, work.site.config.people)
    approvals = work.site.config.approvals
    words = request_text(
        job, request, plan, what=what, able=people, alone=approvals.alone, prefix=work.site.config.prefix
    )
    await _post(work, request_cause(job.id, request), words)
    await work.progress.begin("approval")
    end = await _wait(work, request, people)
    await work.progress.finish("approval", end["note"])
    await work.site.ledger.at_stage(job.id, "approval", {"consent": {**request.as_json(), **end, "over": True}})
    return end


async def _request(work: Work, plan: Json, ref: str | None) -> Request | None:
    """Return the request that stands, or a new one; None where nobody need agree."""
    site, job = work.site, await _current(work)
    standing = Request.of(job)
    if standing is not None and (standing.system, standing.base) == (plan["system"], plan["base"]):
        return standing
    approvals, now = site.config.approvals, site.clock.now()
    units = {name: one.unit for name, one in site.config.services.items()}
    need = needed(approvals, plan, kind=job.kind, project=job.project, units=units, now=now, zone=site.config.zone)
    if need.level is NOBODY:
        return None
    request = Request(
        system=plan["system"],
        base=plan["base"],
        need=need,
        asker=job.person,
        ask=what_of(job, revision=ref),
        moves=frozenset(plan["moves"]),
        foreign=frozenset(plan["foreign"]),
        asked_at=now.timestamp(),
        expires_at=now.timestamp() + approvals.expires,
    )
    await site.ledger.at_stage(job.id, "approval", {"consent": request.as_json()})
    return request


async def _wait(work: Work, request: Request, people: list[str]) -> Json:
    site, job = work.site, await _current(work)
    cause = request_cause(job.id, request)
    remind_at: float | None = request.asked_at + site.config.approvals.remind
    while True:
        now = site.clock.now().timestamp()
        verdict = await site.ledger.verdict(job.id, request.system, request.base)
        if verdict is not None and (verdict.at.timestamp() <= request.expires_at):
            return await _heard(work, request, verdict)
        if (who := await work.cancelled_by()) is not None:
            await _replace(work, cause, over(job, f"{who} cancelled it."))
            return {"allowed": False, "reason": f"{who} cancelled it.", "note": "cancelled", "cancelled_by": who}
        if now > request.expires_at:
            waited = duration(request.expires_at - request.asked_at)
            await _replace(work, cause, over(job, f"nobody agreed within {waited}."))
            return {"allowed": False, "reason": f"nobody agreed within {waited}.", "note": "expired"}
        if remind_at is not None and now > remind_at:
            remind_at = None
            await _post(work, reminder_cause(job.id, request), reminder(job, people))
        await work.progress.note("approval", f"waiting for {' or '.join(people) or job.person}")
        await site.clock.sleep(_LOOK)


async def _heard(work: Work, request: Request, verdict: Verdict) -> Json:
    """Take a word that was given, if who gave it has the rights for it still."""
    site, config = work.site, work.site.config
    await _replace(work, request_cause(work.job.id, request), said(await _current(work), verdict))
    if not verdict.agreed:
        reason = f"{verdict.person} said no{': ' + verdict.reason if verdict.reason else ''}."
        return {"allowed": False, "reason": reason, "note": f"{verdict.person} said no", "by": verdict.person}
    moment = verdict.at.timestamp()
    still = may_agree(site.person(verdict.person), request, config.rules, config.people, config.approvals, moment)
    reason = "" if still.allowed else f"{verdict.person} agreed, but may not any more: {still.reason}"
    alone = " alone" if verdict.alone else ""
    return {
        "allowed": still.allowed,
        "reason": reason,
        "note": f"{verdict.person} agreed{alone}",
        "by": verdict.person,
        "alone": verdict.alone,
    }


async def _current(work: Work) -> Job:
    return await work.site.ledger.job(work.job.id) or work.job


async def _post(work: Work, cause: str, text: Text) -> None:
    await work.site.outbox.post(Post(cause=cause, room_id=work.job.room_id, text=text, thread=work.job.thread))


async def _replace(work: Work, cause: str, text: Text) -> None:
    post = Post(cause=f"{cause}:end", room_id=work.job.room_id, text=text, thread=work.job.thread, edits=cause)
    await work.site.outbox.post(post)
