"""Going back: a project to its last proved revision, a host to a generation."""

from opsbot.errors import HostError
from opsbot.jobs import stages
from opsbot.jobs.activation import activate, end_if_unproved, end_unless_committed, look, prove
from opsbot.jobs.deploy import deploy_revision
from opsbot.jobs.preflight import end_if_refused, preflight
from opsbot.jobs.publishing import publish, publish_note
from opsbot.jobs.reboots import end_staged, only_boot, reboot_note
from opsbot.jobs.turns import take_turn
from opsbot.jobs.work import Order, Work
from opsbot.model import Json, Outcome
from opsbot.render.plans import touched_units


async def rollback(work: Work) -> None:
    """Go back; leaves by EndedError."""
    if work.job.project:
        await deploy_revision(work, _proved_revision(work, await _generations(work)))
    # First: what is "the one before" is known only when nobody else switches the host.
    await take_turn(work)
    generations = await _generations(work)
    await _go_to(work, _wanted(work, generations), generations)


async def _generations(work: Work) -> list[Json]:
    async def step() -> tuple[Json, str]:
        try:
            generations = await work.ask("find", "generations")
        except HostError as error:
            return {"error": str(error)}, "failed"
        # A project goes back as a deploy, which looks for itself.
        looked = {} if work.job.project else await preflight(work, patience=None)
        return {"error": looked["refused"], **looked} if looked.get("refused") else generations, ""

    found = await work.stage("find", step)
    if isinstance(found, dict):
        end_if_refused(work, found, "The rollback was not begun")
        raise work.ended(Outcome.FAILED, f"`{work.job.host}` did not tell its generations: {found['error']}")
    generations: list[Json] = found
    return generations


def _proved_revision(work: Work, generations: list[Json]) -> str:
    """Return the revision that was proved before the running one was proved for the first time.

    So a second rollback goes one further back, and never forward to what the first one left.
    """
    project = work.job.project
    proved = [one for one in generations if one["proved"] and one["pins"].get(project)]
    running = next((one["pins"].get(project) for one in generations if one["running"]), None)
    first = min((one["generation"] for one in proved if one["pins"][project] == running), default=None)
    for one in proved:
        if one["pins"][project] != running and (first is None or one["generation"] < first):
            return str(one["pins"][project])
    raise work.ended(Outcome.REFUSED, f"No earlier revision of {project} was ever proved on `{work.job.host}`.")


def _wanted(work: Work, generations: list[Json]) -> Json:
    """Return the generation that was named, or the newest proved one below the running one."""
    target = work.job.target
    running = _running(generations)
    for one in generations:
        if target and str(one["generation"]) == target:
            if one["running"] and one["current"]:
                raise work.ended(Outcome.UNCHANGED, f"Generation {target} is what runs on `{work.job.host}` already.")
            return one
        if not target and one["proved"] and (running is None or one["generation"] < running):
            return one
    missing = f"Generation {target} is not there" if target else "No earlier generation was ever proved"
    lists = f"`{work.site.config.prefix}generations` lists what there is."
    raise work.ended(Outcome.REFUSED, f"{missing} on `{work.job.host}`; {lists}")


def _running(generations: list[Json]) -> int | None:
    return next((one["generation"] for one in generations if one["running"]), None)


async def _hold(work: Work, projects: list[str], number: int) -> None:
    await stages.hold(work, projects, work.job.reason or f"{work.job.person} rolled back to generation {number}")


async def _go_to(work: Work, wanted: Json, generations: list[Json]) -> None:
    job, number = work.job, wanted["generation"]
    what = f"Generation {number}"
    base = next((one["system"] for one in generations if one["running"]), "")
    plan = await stages.plan(work, generation=number)
    back = number < (_running(generations) or number + 1)
    word = await stages.agree(work, plan, wanted=what, back=back)
    if word.get("by"):
        # While somebody was asked, the host was not ours: whatever happened there, the base is compared.
        await take_turn(work, stages.moved(plan))
    before = await look(work)
    arguments = {"base": base or plan["base"], "generation": number, **stages.bound(plan, word), **only_boot(job)}
    order = Order(part="activate", verb="rollback", on_host=job.id, arguments=arguments)
    state = await activate(work, order)
    moved = sorted(plan["moves"])
    if state["status"] == "staged":
        await _hold(work, moved if back else [], number)
        end_staged(work, order, state, what, before=before)
    if state["status"] == "waiting":
        state = await prove(work, order, state, before=before, touched=touched_units(plan))
    end_unless_committed(work, order, state, what)
    await _hold(work, moved if back else [], number)
    published = await publish(work, job.id)
    held = f"; held until deployed on purpose: {', '.join(moved)}" if back and moved else ""
    note = f"; {said}" if (said := publish_note(work, published).rstrip(".")) else ""
    end_if_unproved(work, state, what, note.lstrip("; "))
    again = "is the default of" if "boot" in job.options else "runs on"
    headline = f"{what} {again} `{job.host}` again{held}{note}.{reboot_note(state)}"
    learnt = {"generation": number, "generation_before": _running(generations), "base": arguments["base"]}
    raise work.ended(Outcome.DONE, headline, **learnt, system=wanted["system"], published=published)
