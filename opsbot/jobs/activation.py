"""From a built system to one that runs, is proved and stays: activate, prove, commit."""

from collections.abc import Mapping
from functools import partial

from opsbot.errors import HostError
from opsbot.jobs.work import ANSWERED, Work, seconds_left
from opsbot.model import Json, Outcome, Probe
from opsbot.render.jobs import failed_units
from opsbot.render.text import words

#: Seconds between two looks at a service that is not well yet.
_LOOK = 2.0
#: Seconds to keep of the confirm window for the confirmation itself.
_SPARE = 10.0


async def look(work: Work) -> Json:
    """Remember which services are well before anything changes: only those can count against a deploy."""

    async def step() -> Json:
        return {name: probe.ok for name, probe in (await _probes(work)).items()}

    return await work.run.step("look", step)


async def activate(work: Work, on_host: str, *, verb: str, **arguments: Json) -> Json:
    """Activate behind the dead man; return the state in which the host waits for the bot, or its end."""

    async def ask() -> Json:
        return await work.ask("activate", verb, job=on_host, **arguments)

    async def step() -> tuple[Json, str]:
        try:
            await ask()
            state = await work.watch("activate", "activate", on_host, again=ask)
        except HostError as error:
            state = {"status": "refused", "error": {"code": error.code, "message": str(error)}}
        return {**state, "cancelled_by": await work.cancelled_by()}, _note(state)

    return await work.stage("activate", step)


def _note(state: Json) -> str:
    match state["status"]:
        case "waiting" | "committed":
            return "; ".join(state.get("warnings") or [])
        case other:
            return str(other)


async def prove(work: Work, on_host: str, state: Json, *, before: Mapping[str, bool], touched: frozenset[str]) -> Json:
    """Prove the running system from outside, then confirm it or send it back; return the host's end.

    BEFORE tells which services were well, TOUCHED are the units that the deploy changes. Only a service that was well
    and was touched can undo a deploy; any other is a warning.
    """

    async def step() -> tuple[Json, str]:
        verdict = await _verdict(work, state, before, touched)
        verb, more = ("confirm", {}) if verdict["well"] else ("revert", {"reason": verdict["why"][:200]})
        try:
            await work.ask("prove", verb, job=on_host, **more)
            again = partial(work.ask, "prove", "state", job=on_host)  # only the dead man can end what was lost here
            end = await work.watch("prove", "activate", on_host, again=again, at_work=ANSWERED)
        except HostError as error:
            end = {"status": "stuck", "why": str(error)}
        told = {"bot_warnings": verdict["warnings"], "cancelled_by": await work.cancelled_by()}
        return {**end, **told}, "; ".join(verdict["warnings"])

    return await work.stage("prove", step)


async def _verdict(work: Work, state: Json, before: Mapping[str, bool], touched: frozenset[str]) -> Json:
    deadline = state["deadline"] - _SPARE
    while True:
        left = deadline - work.site.clock.now().timestamp()
        await work.progress.note(
            "prove", f"the host goes back by itself in {seconds_left(state['deadline'], deadline - left)}"
        )
        said = await work.progress.prove()
        now = await _probes(work)
        ill = {name: probe.problem for name, probe in now.items() if before.get(name) and not probe.ok}
        guilty = {name: why for name, why in ill.items() if work.site.config.services[name].unit in touched}
        warnings = [f"{name} is not well: {why}" for name, why in ill.items() if name not in guilty]
        if said and not guilty:
            return {"well": True, "why": "", "warnings": warnings}
        if left <= 0:
            reasons = [f"{name}: {why}" for name, why in guilty.items()] + ([] if said else ["no message got through"])
            return {"well": False, "why": "; ".join(reasons), "warnings": warnings}
        await work.site.clock.sleep(_LOOK)


async def _probes(work: Work) -> dict[str, Probe]:
    found = {name: await work.site.outside.probe(name) for name in work.site.config.services}
    return {name: probe for name, probe in found.items() if probe is not None}


def end_unless_committed(work: Work, state: Json, what: str) -> None:
    """End the job truly unless the host has committed."""
    job = work.job
    why = state.get("why") or (state.get("error") or {}).get("message") or "no reason is known"
    units = failed_units(state.get("failed_units") or [])
    match state["status"]:
        case "committed":
            return
        case "refused":
            raise work.ended(Outcome.REFUSED, f"{what} was not activated: {why}")
        case "reverted":
            outcome = Outcome.CANCELLED if state.get("cancelled_by") else Outcome.UNDONE
            headline = f"{what} was undone: {why} `{job.host}` runs what it ran before."
            raise work.ended(outcome, headline, more=units)
        case "rebooted":
            headline = f"{what} was undone: `{job.host}` was rebooted before the commit, and runs what it ran before."
            raise work.ended(Outcome.UNDONE, headline)
        case _:
            todo = f"A person must look at `{job.host}`: `opsbot-host state {job.id}` there shows it."
            raise work.ended(Outcome.BROKEN, f"{what}: going back failed too ({why}). {todo}", more=units or words(why))
