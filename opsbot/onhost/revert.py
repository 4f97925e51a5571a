"""Going back: asked for by the bot or a person, or by the dead man when nobody else is left."""

import os
import signal
from typing import Any

from opsbot.onhost import systemd
from opsbot.onhost.arm import resolved_path
from opsbot.onhost.commit import commit, end, go_back, stage
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.record import Record, host_lock
from opsbot.onhost.run import run
from opsbot.onhost.state import ENDED, asked, cancelled, rebooted

#: Seconds that a switch which runs is given to end by itself before its unit is stopped.
_MERCY = 60.0
_STOPPED = 30.0


def reason_for(config: Config, job: str) -> str | None:
    """Return why somebody wants a job undone, None when nobody said so and the time is simply up."""
    request = asked(config, job, "revert")
    if request is not None:
        return str(request.get("reason") or "Somebody asked to go back.")
    return "The job was cancelled." if cancelled(config, job) else None


def revert(config: Config, job: str, reason: str | None) -> None:
    """Take the host back to what ran before a job, unless the job has ended; without a REASON the time is up.

    A commit that was cut off is finished when only the time is up: it had been confirmed. So is what silence does not
    undo, once it runs.
    """
    # A person's lost connection must not leave the host half-way.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ["PATH"] = resolved_path()
    record = Record(config=config, job=job)
    record.must_read()
    with record.held():
        state = record.must_read()
        if state["status"] in ENDED:
            return
        if rebooted(config, state):
            end(record, "rebooted", why="The host was rebooted before the commit.")
            return
        forward = reason is None and (state["status"] == "committing" or _stays(state, "alone"))
        # Why it was begun stands, whoever goes on with it.
        why = state.get("why") or reason or _overdue(state["status"])
        if not forward:
            record.note("reverting", why=why)
        _take_host(record)
        with host_lock(config, patience=_STOPPED):
            if forward:
                finish(record, None if state["status"] == "committing" else why)
            else:
                go_back(record, why)


def _stays(state: dict[str, Any], which: str) -> bool:
    """Say whether a system that runs is to stay where nothing speaks for it any more."""
    return bool(state.get(which)) and state["status"] in ("proving", "waiting")


def _overdue(status: str) -> str:
    return "Nobody confirmed in time." if status == "waiting" else f"It did not end in time (it was {status})."


def _take_host(record: Record) -> None:
    """Wait until the activation's own process has seen that it was overtaken; one that hangs is stopped."""
    with host_lock(record.config, patience=_MERCY) as free:
        if not free:
            record.say("the activation does not end; stopping it")
            run(systemd.stop(f"opsbot-activate@{record.job}.service"), within=120)


def finish(record: Record, despite: str | None = None) -> None:
    """Finish a commit that was cut off; when that cannot be, go back. DESPITE says why it is not proved."""
    try:
        if record.must_read().get("boot"):
            stage(record)
        else:
            commit(record, despite)
    except HostError as error:
        go_back(record, f"The commit was cut off and could not be finished. {error.message}")


def resume(record: Record, state: dict[str, Any]) -> None:
    """End an activation whose process is gone: a commit is finished, anything else is undone."""
    os.environ["PATH"] = resolved_path()
    with record.held():
        if rebooted(record.config, state):
            end(record, "rebooted", why="The host was rebooted before the commit.")
        elif state["status"] == "committing":
            finish(record)
        elif _stays(state, "keeps"):
            finish(record, f"The activation was cut off (it was {state['status']}).")
        else:
            go_back(record, state.get("why") or f"The activation was cut off (it was {state['status']}).")
