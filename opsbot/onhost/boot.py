"""The proof of a system that was made the default of the next boot, once the host was rebooted into it."""

import os
import time
from typing import Any

from opsbot.onhost import files
from opsbot.onhost.arm import resolved_path
from opsbot.onhost.commit import commit
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.prove import Doctor, Everything, Health, last_words, prove
from opsbot.onhost.record import OvertakenError, Record
from opsbot.onhost.state import activation, asked, folders, staged

_POLL = 0.2
_OPEN = ("staged", "proving", "waiting")


def may_be_proved(config: Config, job: str) -> None:
    """Refuse to prove what was not booted, with the reason."""
    state, waiting = activation(config, job), staged(config)
    if state is None or not state.get("boot"):
        raise HostError("not-ready", f"Job {job} does not wait for a reboot.")
    if waiting is None or waiting["job"] != job:
        raise HostError("not-ready", f"Generation {state.get('generation')} is not the default any more.")
    if not waiting["rebooted"]:
        raise HostError("not-ready", "The host was not rebooted yet.")
    if not waiting["booted"]:
        message = f"The host was rebooted, and came up with another system than generation {waiting['generation']}."
        raise HostError("not-ready", message)


def is_to_be_proved(config: Config, job: str, state: dict[str, Any]) -> bool:
    """Say whether an activation is one that waits for this proof, also one whose proof was cut off."""
    return bool(state.get("boot")) and state["status"] in _OPEN and asked(config, job, "prove") is not None


def prove_boot(record: Record) -> None:
    """Look whether all that was well before is well now, and wait for the bot's word; nothing is undone by this.

    Without a word it goes on waiting to be proved. The caller holds the host.
    """
    os.environ["PATH"] = resolved_path()
    config = record.config
    try:
        may_be_proved(config, record.job)
    except HostError as error:
        record.say(f"not proved: {error.message}")
        return
    files.write_json(folders(config).holder, {"job": record.job})
    try:
        _look(record, _window(config, record.job))
        _wait(record, _window(config, record.job))
    except OvertakenError:
        return
    with record.held():
        commit(record)


def _window(config: Config, job: str) -> int:
    longest = max((project.window for project in config.projects.values()), default=180)
    return int((asked(config, job, "prove") or {}).get("window") or longest)


def _move(record: Record, status: str, **fields: Any) -> None:
    with record.held():
        _stop(record)
        record.write(status, **fields)


def _stop(record: Record) -> None:
    if record.must_read()["status"] not in _OPEN:
        raise OvertakenError


def _look(record: Record, within: int) -> None:
    _move(record, "proving")
    config, state = record.config, record.must_read()
    services = [*config.projects.values(), *config.services.values()]
    before = Health(failed=frozenset(state["failed_before"]), well=frozenset(state["well"]), ill={})
    # After a boot everything starts at once, so it has the whole window.
    doctor = Doctor.of(services, config.check_user)
    verdict = prove(before, doctor, Everything(), within=within, stop=lambda: _stop(record))
    words = last_words(verdict.failed_units)
    found = {"warnings": list(verdict.warnings), "faults": list(verdict.faults), "failed_units": words}
    _move(record, "proving", **found, keeps="a switch does not undo a reboot")


def _wait(record: Record, window: int) -> None:
    deadline = time.monotonic() + window
    _move(record, "waiting", deadline=round(time.time() + window, 1))
    confirm = folders(record.config).request(record.job, "confirm")
    while not confirm.exists():
        _stop(record)
        if time.monotonic() > deadline:
            _move(record, "staged")
            raise OvertakenError
        time.sleep(_POLL)
