"""What takes a reboot: made the default of the next boot, waited for without holding anything, proved afterwards."""

import logging

from opsbot.errors import OpsbotError
from opsbot.jobs.activation import activate, end_if_unproved, end_unless_committed, prove
from opsbot.jobs.publishing import publish, publish_note
from opsbot.jobs.turns import take_turn
from opsbot.jobs.work import Order, Work
from opsbot.model import Job, JobKind, Json, Outcome, job_id
from opsbot.site import Site

log = logging.getLogger(__name__)

#: Seconds between two looks whether a host was rebooted, while something waits for that.
_ROUND = 20.0
_WITHIN = 15.0
#: How many jobs back something may wait for a reboot.
_BACK = 200
_SETTLED = (Outcome.DONE, Outcome.BROKEN)


def only_boot(job: Job) -> Json:
    """Return what tells the host to activate nothing."""
    return {"boot": True} if "boot" in job.options else {}


def reboot_note(state: Json) -> str:
    """Say after a deploy that something of it is not in force yet."""
    return " It takes a reboot to be in force as a whole." if state.get("reboot_needed") else ""


def end_staged(work: Work, order: Order, state: Json, what: str, *, before: Json) -> None:
    """End a job whose system waits for a reboot; what was well BEFORE is kept for the proof."""
    job, prefix = work.job, work.site.config.prefix
    number, runs = state["generation"], state.get("runs")
    called = "" if what == f"Generation {number}" else f" as generation {number}"
    back = f" `{prefix}rollback {runs} --boot` takes that back." if runs else ""
    warnings = "".join(f" {warning}" for warning in state.get("warnings") or [])
    headline = (
        f"{what} is the default of `{job.host}` from its next boot on{called}. Nothing runs differently yet. "
        f"Reboot it when it suits (`systemctl reboot` there); I prove it then, and say so here.{back}{warnings}"
    )
    learnt = {"on_host": order.on_host, "generation": number, "before": before, "what": what}
    raise work.ended(Outcome.STAGED, headline, **learnt)


async def prove_boot(work: Work) -> None:
    """Prove what a host was rebooted into, and record it; leaves by EndedError."""
    job, known = work.job, work.job.details
    await take_turn(work)
    order = Order(part="activate", verb="prove", on_host=known["on_host"])
    state = await activate(work, order)
    prefix, what = work.site.config.prefix, known["what"]
    if state["status"] == "refused":
        headline = f"{what} is not proved: {state['error']['message']} `{prefix}generations` shows what runs."
        raise work.ended(Outcome.FAILED, headline)
    touched = frozenset(service.unit for service in work.site.config.services.values() if service.unit)
    if state["status"] == "waiting":
        state = await prove(work, order, state, before=known["before"], touched=touched)
    if state["status"] == "staged":
        raise work.ended(Outcome.FAILED, f"{what} runs on `{job.host}` since its reboot; its proof came to no end.")
    end_unless_committed(work, order, state, what)
    published = await publish(work, order.on_host)
    note = publish_note(work, published)
    end_if_unproved(work, state, what, note)
    told = [*(state.get("warnings") or []), *(state.get("bot_warnings") or [])]
    warnings = f" Warning: {'; '.join(told)}" if told else ""
    generation = f"generation {state['generation']}; {(note or 'published').rstrip('.')}"
    headline = f"{what} was booted on `{job.host}` and is proved: {generation}.{warnings}"
    raise work.ended(Outcome.DONE, headline, generation=state["generation"], on_host=order.on_host, published=published)


async def look(site: Site) -> None:
    """Begin the proof on each host that was rebooted while something waited for that."""
    for job in await _waiting(site):
        try:
            facts = await site.hosts[job.host].ask("facts", {}, within=_WITHIN)
        except OpsbotError:
            continue  # it may be rebooting
        staged = facts.get("staged") or {}
        if staged.get("rebooted") and staged["job"] == (job.details or {}).get("on_host"):
            proof = await site.ledger.begin(_proof(job, facts["boot_id"], site))
            await site.engine.start(proof)


async def watch(site: Site) -> None:
    """Look for reboots, again and again."""
    while True:
        try:
            await look(site)
        except Exception:
            log.exception("a look for reboots failed")
        await site.clock.sleep(_ROUND)


async def _waiting(site: Site) -> list[Job]:
    """Return the job of each host whose system waits for a reboot: the last that changed what is the default."""
    newest: dict[str, Job] = {}
    for job in await site.ledger.jobs(limit=_BACK):
        if job.host in site.hosts and job.outcome in (Outcome.STAGED, *_SETTLED) and job.kind is not JobKind.PUBLISH:
            newest.setdefault(job.host, job)
    return [job for job in newest.values() if job.outcome is Outcome.STAGED]


def _proof(staged: Job, boot_id: str, site: Site) -> Job:
    """Make the job that proves a boot; the same boot makes the same job."""
    kept = {key: staged.details[key] for key in ("rooms", "on_host", "before", "what") if key in staged.details}
    return Job(
        id=job_id(f"{staged.id}:{boot_id}"),
        kind=JobKind.PROVE,
        host=staged.host,
        project=staged.project,
        target=f"#{staged.number}",
        person=staged.person,
        room_id=staged.room_id,
        event_id=staged.event_id,
        thread=staged.thread,
        created_at=site.clock.now(),
        details=kept,
    )
