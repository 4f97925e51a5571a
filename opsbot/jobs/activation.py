"""From a built system to one that runs, is proved and stays: activate, prove, commit."""

import asyncio
import contextlib

from opsbot.errors import ChatUnreachableError, HostError
from opsbot.jobs.work import ANSWERED, Order, Work
from opsbot.model import JobKind, Json, Outcome, Probe
from opsbot.render.jobs import failed_units
from opsbot.render.text import words
from opsbot.render.times import duration

#: Seconds between two looks at a service that is not well yet.
_LOOK = 2.0
#: Seconds to keep of the confirm window for the confirmation itself.
_SPARE = 10.0
#: The services without which no message gets through.
_SPEAKERS = ("homeserver", "opsbot")
#: Those without which no message gets to Slack.
_CARRIERS = ("homeserver", "bridge")
#: Seconds that a message may take to the homeserver, and from there to Slack.
_SAID, _DELIVERED = 30.0, 10.0
#: Letters of a reason that the host is told.
_REASON = 200


async def look(work: Work) -> Json:
    """Remember what is well before anything changes: only that can count against a deploy."""

    async def step() -> Json:
        services = {name: probe.ok for name, probe in (await _probes(work)).items()}
        chat, slack = await asyncio.gather(work.progress.heard(), _slack(work, within=_DELIVERED))
        return {"services": services, "chat": chat, "slack": slack == ""}

    return await work.run.step("look", step)


async def activate(work: Work, order: Order) -> Json:
    """Activate behind the dead man; return the state in which the host waits for the bot, or its end."""

    async def step() -> tuple[Json, str]:
        try:
            state = await work.carry_out("activate", order)
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


async def prove(work: Work, order: Order, state: Json, *, before: Json, touched: frozenset[str]) -> Json:
    """Prove the running system from outside, then confirm it or send it back; return the host's end.

    BEFORE is what was well, TOUCHED are the units that the deploy changes. Only what was well and was touched can undo
    a deploy; anything else is a warning. What the host keeps in any case is confirmed with what speaks against it.
    """

    async def step() -> tuple[Json, str]:
        verdict = await _verdict(work, state, before, touched)
        verb, more = _word(state, verdict)
        if verb == "confirm":
            # The connection may be older than the sshd that runs now: who confirms must have come in by the new one.
            await work.host.close()
        with contextlib.suppress(HostError):  # a definite no: the host has ended it already, and tells how
            await work.ask("prove", verb, stubborn=True, job=order.on_host, **more)
        end = await work.watch("prove", order, at_work=ANSWERED)
        return {**end, "bot_warnings": verdict["warnings"]}, "; ".join(verdict["warnings"])

    return await work.stage("prove", step)


def _word(state: Json, verdict: Json) -> tuple[str, Json]:
    """Return what the host is told: that it may commit, or why not."""
    why = verdict["why"][:_REASON]
    if why and state.get("keeps") and (state.get("boot") or not verdict.get("cancelled")):
        return "confirm", {"despite": why}
    return ("revert", {"reason": why}) if why else ("confirm", {})


async def _verdict(work: Work, state: Json, before: Json, touched: frozenset[str]) -> Json:
    """Return why to go back, or no reason, and what else is not well."""
    deadline = state["deadline"] - _SPARE
    services = work.site.config.services
    ours = {services[role].unit for role in _SPEAKERS if role in services}
    chat_counts = before["chat"] and not touched.isdisjoint(ours)
    # A job that an older version began has not looked at Slack.
    slack, carriers = before.get("slack"), {services[role].unit for role in _CARRIERS if role in services}
    while True:
        left = deadline - work.site.clock.now().timestamp()
        back = duration(max(left + _SPARE, 0.0))
        await work.progress.note("prove", f"the host goes back by itself in {back}")
        patience = max(min(_SAID, left), 1.0) if before["chat"] else 0.0
        word = _slack(work, within=max(min(_DELIVERED, left), 1.0)) if slack else _not_asked()
        said, now, unsent = await asyncio.gather(work.progress.prove(within=patience), _probes(work), word)
        ill = {name: probe.problem for name, probe in now.items() if before["services"].get(name) and not probe.ok}
        guilty = {name for name in ill if services[name].unit in touched}
        faults = [*(state.get("faults") or []), *(f"{name}: {ill[name]}" for name in sorted(guilty))]
        warnings = [f"{name} is not well: {why}" for name, why in ill.items() if name not in guilty]
        if not said:
            (faults if chat_counts else warnings).append("no message got through to the room")
        if unsent:
            (warnings if touched.isdisjoint(carriers) else faults).append(f"no message got to Slack: {unsent}")
        if (who := await work.cancelled_by()) is not None:
            return {"why": f"{who} cancelled it", "warnings": warnings, "cancelled": True}
        if not faults or left <= 0 or state.get("faults"):
            return {"why": "; ".join(faults), "warnings": warnings}
        await work.site.clock.sleep(_LOOK)


async def _slack(work: Work, *, within: float) -> str | None:
    """Return what keeps messages from Slack, empty when the bridge says that one arrived; None: nobody can tell."""
    slack = work.site.slack
    if slack is None:
        return None
    try:
        wrong = await slack.wrong()
        proof = None if wrong else await slack.test(within=within)
    except ChatUnreachableError as error:
        return str(error)
    return wrong or (None if proof is None else proof.problem)


async def _not_asked() -> None:
    """Say nothing of Slack: only what was well before is looked at."""


async def _probes(work: Work) -> dict[str, Probe]:
    names = tuple(work.site.config.services)
    found = await asyncio.gather(*(work.site.outside.probe(name) for name in names))
    return {name: probe for name, probe in zip(names, found, strict=True) if probe is not None}


def reboot_offer(work: Work) -> str:
    """Name the command that makes it the default of the next boot."""
    job = work.job
    asked = "rollback" if job.kind is JobKind.ROLLBACK else "deploy"
    said = " ".join(word for word in (asked, job.project, job.target, "--boot") if word)
    return f" `{work.site.config.prefix}{said}` makes it the default of the next boot, and nothing else."


def end_if_unproved(work: Work, state: Json, what: str, note: str) -> None:
    """End the job loudly where the host has kept what is not proved; NOTE tells of the branches."""
    if state.get("proved", True):
        return
    job, prefix = work.job, work.site.config.prefix
    logs = "".join(f" `{prefix}logs {one['unit']}` shows more." for one in state.get("failed_units") or [])
    before = state.get("runs" if state.get("boot") else "base_generation") or ""
    option, then = ("--boot", " with the next reboot") if state.get("boot") else ("--force", "")
    headline = (
        f"{what} runs on `{job.host}` as generation {state['generation']}, but it is NOT proved: "
        f"{str(state.get('why')).rstrip('.')}. It was not undone: {state.get('keeps')}. A person must decide: "
        f"`{' '.join(f'{prefix}rollback {before} {option}'.split())}` goes back{then}, or deploy what works.{logs}"
    )
    more = failed_units(state.get("failed_units") or [])
    told = f" {note[0].upper()}{note[1:].rstrip('.')}." if note else ""
    raise work.ended(Outcome.BROKEN, headline + told, more=more)


def _left_behind(state: Json) -> str:
    """Say what going back could not take back."""
    if not state.get("migrated"):
        return ""
    return (
        f" But a database may have been migrated before ({state['migrated']}): if it does not run, restore its backup."
    )


def end_unless_committed(work: Work, order: Order, state: Json, what: str) -> None:
    """End the job truly unless the host has committed."""
    job, cancelled_by = work.job, state.get("cancelled_by")
    why = state.get("why") or (state.get("error") or {}).get("message") or "no reason is known"
    units = failed_units(state.get("failed_units") or [])
    match state["status"]:
        case "committed":
            return
        case "refused" if cancelled_by:
            raise work.ended(Outcome.CANCELLED, f"{what} was cancelled by {cancelled_by} before it was activated.")
        case "refused":
            how = reboot_offer(work) if (state.get("error") or {}).get("code") == "needs-reboot" else ""
            raise work.ended(Outcome.REFUSED, f"{what} was not activated: {why}{how}")
        case "reverted":
            outcome = Outcome.CANCELLED if cancelled_by else Outcome.UNDONE
            headline = (
                f"{what} was undone: {why.rstrip('.')}. `{job.host}` runs what it ran before.{_left_behind(state)}"
            )
            raise work.ended(outcome, headline, more=units)
        case "rebooted":
            headline = f"{what} was undone: `{job.host}` was rebooted before the commit, and runs what it ran before."
            raise work.ended(Outcome.UNDONE, headline)
        case _:
            todo = f"A person must look at `{job.host}`: `opsbot-host state {order.on_host}` there shows it."
            raise work.ended(Outcome.BROKEN, f"{what}: going back failed too ({why}). {todo}", more=units or words(why))
