"""A deploy, from top to bottom."""

from opsbot.jobs import stages
from opsbot.jobs.activation import activate, end_if_unproved, end_unless_committed, look, prove
from opsbot.jobs.publishing import publish, publish_note
from opsbot.jobs.reboots import end_staged, only_boot, reboot_note
from opsbot.jobs.turns import take_turn
from opsbot.jobs.work import Order, Work
from opsbot.model import JobKind, Json, Outcome
from opsbot.render.jobs import short
from opsbot.render.plans import touched_units

#: How often a deploy is prepared anew because something else went to the host in the meantime.
_ATTEMPTS = 3


async def deploy(work: Work) -> None:
    """Put a revision of a project, or the head of the platform, on its host."""
    await deploy_revision(work, work.job.target)


async def deploy_revision(work: Work, revision: str) -> None:
    """Prepare, plan, agree, activate, prove, commit and publish; leaves by EndedError."""
    job = work.job
    fixed = await stages.begin(work)
    for attempt in range(1, _ATTEMPTS + 1):
        on_host = job.id if attempt == 1 else f"{job.id}n{attempt}"
        built = await stages.prepare(work, revision, on_host, fixed)
        revision, what = built["pin"], f"{job.project} {short(built['pin'])}"
        plan = await stages.plan(work, job=on_host)
        back = job.kind is JobKind.ROLLBACK
        word = await stages.agree(work, plan, wanted=what, ref=built.get("ref"), back=back)
        await take_turn(work, stages.moved(plan))
        before = await look(work)
        arguments = {"base": built["base"], **fixed["window"], **stages.bound(plan, word), **only_boot(job)}
        order = Order(part="activate", verb="activate", on_host=on_host, arguments=arguments)
        state = await activate(work, order)
        if (state.get("error") or {}).get("code") != "base-moved":
            break
    if state["status"] == "staged":
        await work.run.step("unhold", lambda: work.site.ledger.unhold(job.host, job.project))
        end_staged(work, order, state, what, before=before)
    if state["status"] == "waiting":
        state = await prove(work, order, state, before=before, touched=touched_units(plan))
    end_unless_committed(work, order, state, what)
    published = await publish(work, on_host)
    await work.run.step("unhold", lambda: work.site.ledger.unhold(job.host, job.project))
    _end(work, built, state, published, what, on_host)


def _end(work: Work, built: Json, state: Json, published: Json, what: str, on_host: str) -> None:
    job = work.job
    note = publish_note(work, published)
    end_if_unproved(work, state, what, note)
    before = f", before {short(built['pin_before'])}" if built.get("pin_before") else ""
    headline = (
        f"{what} runs on `{job.host}`: generation {state['generation']}{before}; {(note or 'published').rstrip('.')}."
    )
    warnings = [*(state.get("warnings") or []), *(state.get("bot_warnings") or [])]
    if warnings:
        headline += " Warning: " + "; ".join(warnings)
    headline += reboot_note(state)
    learnt = {"pin": built["pin"], "pin_before": built.get("pin_before"), "commit": built["commit"], "on_host": on_host}
    learnt |= {"generation": state["generation"], "generation_before": state.get("base_generation")}
    raise work.ended(Outcome.DONE, headline, **learnt, system=built["system"], base=built["base"], published=published)
