"""The one table of what the bot may ask: verb, arguments, who does it, and how."""

import fnmatch
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from opsbot.onhost import boot, facts, files, follow, grammar, plan, preflight, systemd
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.run import must, run
from opsbot.onhost.state import (
    ENDED,
    all_jobs,
    asked,
    built,
    folders,
    holder,
    job_state,
    real,
    switch_request,
)
from opsbot.onhost.systems import generation_link, generations

Arguments = dict[str, Any]
Emit = Callable[[dict[str, Any]], None]
_LISTED = 50


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One row of the table."""

    arguments: tuple[grammar.Argument, ...] = ()
    #: What does it: checks the request, and answers.
    answer: Callable[[Config, Arguments, Emit], Any]
    #: The unit that is started for it, None when it is done in place.
    unit: str | None = None


def _record(config: Config, verb: str, arguments: Arguments) -> bool:
    """Write a request down; False when the very same one was there, HostError when it was another."""
    path = folders(config).request(arguments["job"], verb)
    if files.create_json(path, arguments):
        return True
    # A helper of before has written only the arguments that it knew.
    if request(verb, files.read_json(path) or {}) != arguments:
        raise HostError("conflict", f"Job {arguments['job']} was asked to {verb} something else before.")
    return False


def _start(config: Config, verb: str, unit: str, job: str) -> None:
    # The time of the request is what tells a unit that has just been asked for from one that died.
    with suppress(PermissionError):  # a person at the console may have written it
        os.utime(folders(config).request(job, verb))
    must(run(systemd.start(f"{unit}@{job}.service"), within=20))


def _prepare(config: Config, arguments: Arguments, _: Emit) -> Any:
    job = arguments["job"]
    config.remote(arguments["project"])
    new = _record(config, "prepare", arguments)
    if new or job_state(config, job)["prepare"]["status"] == "lost":
        _start(config, "prepare", "opsbot-prepare", job)
    return job_state(config, job)


def _may_switch(config: Config, verb: str, arguments: Arguments) -> None:
    if holder(config) not in (None, arguments["job"]):
        raise HostError("busy", f"Job {holder(config)} holds this host.")
    if real(config.running) != arguments["base"]:
        raise HostError("base-moved", "Another system runs than the one that this was prepared for.")
    if verb == "rollback":
        system = real(generation_link(config, arguments["generation"]))
    else:
        made = built(config, arguments["job"])
        if made["base"] != arguments["base"]:
            raise HostError("base-moved", "This build was prepared for another base.")
        system = made["system"]
    if arguments["system"] not in (None, system):
        raise HostError("base-moved", "This is another system than the one that was agreed to.")


def _switch(verb: str) -> Callable[[Config, Arguments, Emit], Any]:
    def answer(config: Config, arguments: Arguments, _: Emit) -> Any:
        job = arguments["job"]
        before = switch_request(config, job)
        if before is None:
            _may_switch(config, verb, arguments)
        elif before[0] != verb:
            raise HostError("conflict", f"Job {job} was asked to {before[0]} before.")
        new = _record(config, verb, arguments)
        if new or job_state(config, job)["activate"]["status"] == "lost":
            _start(config, verb, "opsbot-activate", job)
        return job_state(config, job)

    return answer


def _prove(config: Config, arguments: Arguments, _: Emit) -> Any:
    job = arguments["job"]
    state = job_state(config, job)
    if (state["activate"] or {}).get("status") in ENDED - {"staged"}:
        return state
    boot.may_be_proved(config, job)
    new = _record(config, "prove", arguments)
    if new or job_state(config, job)["activate"]["status"] in ("staged", "lost"):
        _start(config, "prove", "opsbot-activate", job)
    return job_state(config, job)


def _confirm(config: Config, arguments: Arguments, _: Emit) -> Any:
    state = job_state(config, arguments["job"])
    status = (state["activate"] or {"status": "absent"})["status"]
    if status in ("running", "arming", "activating", "proving", "absent"):
        raise HostError("not-ready", f"Nothing waits to be confirmed for job {arguments['job']} ({status}).")
    if status != "waiting":
        return state
    _record(config, "confirm", arguments)
    return job_state(config, arguments["job"])


def _revert(config: Config, arguments: Arguments, _: Emit) -> Any:
    job = arguments["job"]
    state = job_state(config, job)
    if state["activate"] is None:
        raise HostError("not-ready", f"Nothing was activated for job {job}.")
    if state["activate"]["status"] in ENDED | {"committing"}:
        return state
    # A second reason for the same thing is no conflict: the first one stands.
    if asked(config, job, "revert") is None:
        files.create_json(folders(config).request(job, "revert"), arguments)
    # The process that activated looks for the request and goes back by itself, with the helper of before.
    if _cut_off(state["activate"]):
        _start(config, "revert", "opsbot-revert", job)
    return job_state(config, job)


def _cut_off(part: dict[str, Any] | None) -> bool:
    """Say whether an activation was begun and its process died."""
    return part is not None and part["status"] == "lost" and part.get("was") is not None


def _publish(config: Config, arguments: Arguments, _: Emit) -> Any:
    job = arguments["job"]
    state = job_state(config, job)
    if (state["activate"] or {}).get("status") != "committed":
        raise HostError("not-ready", f"Job {job} was not committed on this host.")
    new = _record(config, "publish", arguments)
    if new or job_state(config, job)["publish"]["status"] in ("lost", "failed"):
        _start(config, "publish", "opsbot-publish", job)
    return job_state(config, job)


def _cancel(config: Config, arguments: Arguments, _: Emit) -> Any:
    job = arguments["job"]
    state = job_state(config, job)
    if (state["activate"] or {}).get("status") in ENDED | {"committing"}:
        return state
    _record(config, "cancel", arguments)
    if _cut_off(state["activate"]):
        must(run(systemd.start(f"opsbot-revert@{job}.service"), within=20))
    return job_state(config, job)


def _list(config: Config, *_: Any) -> Any:
    rows = []
    for job, when in all_jobs(config)[:_LISTED]:
        try:
            state = job_state(config, grammar.job(job))
        except HostError:  # a damaged file of one job must not hide the others
            continue
        parts = {part: (state[part] or {}).get("status") for part in ("prepare", "activate", "publish")}
        project = (asked(config, job, "prepare") or {}).get("project")
        rows.append({"job": job, "project": project, "asked": when, **parts, "console": state["console"]})
    return rows


def _logs(config: Config, arguments: Arguments, _: Emit) -> Any:
    unit = arguments["unit"]
    if not any(fnmatch.fnmatchcase(unit, pattern) for pattern in config.logs):
        raise HostError("unknown", f"This host does not show the journal of {unit}.")
    return {"unit": unit, "lines": systemd.lines(unit, arguments["lines"])}


def _restart(config: Config, arguments: Arguments, _: Emit) -> Any:
    unit = arguments["unit"]
    if unit not in config.restart:
        raise HostError("unknown", f"This host does not let {unit} be restarted.")
    must(run(systemd.restart(unit), within=120))
    return {}


_SWITCH = (grammar.JOB_ID, grammar.BASE, grammar.AGREED, grammar.WINDOW, grammar.BOOT)

VERBS: dict[str, Verb] = {
    "facts": Verb(arguments=(grammar.UNITS,), answer=lambda c, a, _: facts.facts(c, a["units"])),
    "newest": Verb(answer=lambda c, *_: facts.newest(c)),
    "generations": Verb(answer=lambda c, *_: generations(c)),
    "preflight": Verb(arguments=(grammar.MAYBE_PROJECT,), answer=lambda c, a, _: preflight.preflight(c, a["project"])),
    "prepare": Verb(
        arguments=(grammar.JOB_ID, grammar.PROJECT, grammar.WANTED, grammar.NOTE, grammar.HELD),
        answer=_prepare,
        unit="opsbot-prepare",
    ),
    "plan": Verb(
        arguments=(grammar.MAYBE_JOB, grammar.MAYBE_GENERATION),
        answer=lambda c, a, _: plan.plan(c, a["job"], a["generation"]),
    ),
    "activate": Verb(arguments=_SWITCH, answer=_switch("activate"), unit="opsbot-activate"),
    "rollback": Verb(arguments=(*_SWITCH, grammar.GENERATION), answer=_switch("rollback"), unit="opsbot-activate"),
    "prove": Verb(arguments=(grammar.JOB_ID, grammar.WINDOW), answer=_prove, unit="opsbot-activate"),
    "confirm": Verb(arguments=(grammar.JOB_ID, grammar.DESPITE), answer=_confirm),
    "revert": Verb(arguments=(grammar.JOB_ID, grammar.REASON), answer=_revert, unit="opsbot-revert"),
    "publish": Verb(arguments=(grammar.JOB_ID,), answer=_publish, unit="opsbot-publish"),
    "cancel": Verb(arguments=(grammar.JOB_ID,), answer=_cancel),
    "state": Verb(arguments=(grammar.JOB_ID,), answer=lambda c, a, _: job_state(c, a["job"])),
    "list": Verb(answer=_list),
    "follow": Verb(
        arguments=(grammar.JOB_ID, grammar.LOG, grammar.OFFSET, grammar.SECONDS),
        answer=follow.follow,
    ),
    "logs": Verb(arguments=(grammar.UNIT_NAME, grammar.LINES), answer=_logs),
    "restart": Verb(arguments=(grammar.UNIT_NAME,), answer=_restart),
}


def request(verb: str, said: dict[str, Any]) -> Arguments:
    """Check a written request once more, with the grammar of its verb."""
    return grammar.check(VERBS[verb].arguments, said)


def answer(config: Config, verb: str, data: bytes, emit: Emit) -> Any:
    """Answer one VERB with the bytes of its arguments; HostError says why not."""
    if verb not in VERBS:
        raise HostError("bad-request", f"There is no verb {verb[:40]!r}.")
    return VERBS[verb].answer(config, grammar.check(VERBS[verb].arguments, grammar.read(data)), emit)
