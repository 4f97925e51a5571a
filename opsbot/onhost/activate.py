"""Put a system in place: armed, switched, proved, confirmed, committed; or back to what ran before."""

import os
import shutil
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from opsbot.onhost import arm, files, plan, units
from opsbot.onhost.commit import commit, end, go_back, sweep
from opsbot.onhost.config import Config, Project
from opsbot.onhost.errors import HostError
from opsbot.onhost.ledger import Entry
from opsbot.onhost.prove import Health, prove
from opsbot.onhost.record import OvertakenError, Record, enter, host_lock
from opsbot.onhost.revert import reason_for, resume
from opsbot.onhost.state import ENDED, built, folders, holder, real, switch_request
from opsbot.onhost.switch import switch
from opsbot.onhost.systems import (
    commit_of_running,
    current_generation,
    generation_link,
    ledger,
    pins_of,
    running_generation,
)

_POLL = 0.2
_SETTLE = 10
_HOST_PATIENCE = 3.0


class GoBackError(Exception):
    """The new system is not to stay; the text says why."""

    def __init__(self, why: str, failed: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.why, self.failed = why, failed


class Activation:
    """One activation, from the check of its base to its end; its process holds the host's lock."""

    def __init__(self, record: Record, verb: str, arguments: dict[str, Any]) -> None:
        self.record, self.config, self.job = record, record.config, record.job
        self.verb, self.arguments = verb, arguments
        self.touched: frozenset[str] = frozenset()
        # Found out before the switch: after it, the name that we were called by leads to another helper.
        self.helper = arm.this_helper()

    @cached_property
    def target(self) -> dict[str, Any]:
        """What is to be put in place: the build of this job, or a recorded generation."""
        if self.verb == "activate":
            result = built(self.config, self.job)
            keys = ("project", "system", "base", "base_commit", "base_pins", "commit", "pins")
            return {key: result.get(key) for key in keys}
        number = self.arguments["generation"]
        system = real(generation_link(self.config, number))
        entry = ledger(self.config).entry(number, system)
        commit_id = entry.commit if entry else None
        pins = pins_of(self.config, commit_id, system)
        return {"project": None, "system": system, "generation": number, "commit": commit_id, "pins": pins}

    @property
    def projects(self) -> list[Project]:
        """The projects whose checks count: the one that is deployed, or all."""
        only = self.config.projects.get(self.target["project"] or "")
        return [only] if only else list(self.config.projects.values())

    @property
    def window(self) -> int:
        """Seconds in which the bot must confirm."""
        longest = max((project.window for project in self.projects), default=180)
        return int(self.arguments["window"] or longest)

    def check(self) -> dict[str, Any]:
        """Compare the base once more and return the first fields of the state; HostError when it may not go on."""
        running, base = real(self.config.running), self.arguments["base"]
        if running != base or self.target.get("base", base) != base:
            raise HostError("base-moved", "Another system runs than the one that this was prepared for.")
        system = self.target["system"]
        if not (Path(system) / "nixos-version").is_file():
            raise HostError("failed", "The system is no longer in the store; prepare it again.")
        if system == running and real(self.config.profile) == system:
            raise HostError("conflict", "This system runs already, and it is the default.")
        if (why := reason_for(self.config, self.job)) is not None:
            raise HostError("cancelled", why)
        self.before = Health.look(self.projects)
        return {"verb": self.verb, **self.target, "base": base, "window": self.window}

    def go(self, fields: dict[str, Any]) -> None:
        """Run to the end; FIELDS are what `check` returned."""
        os.environ["PATH"] = arm.resolved_path()
        former = {"base_generation": current_generation(self.config), "failed_before": sorted(self.before.failed)}
        timers = (self.record.read() or {}).get("timers", [])
        self.record.create("arming", **fields, **former, timers=timers, warnings=[])
        try:
            self._arm()
            self._switch()
            self._prove()
            self._wait()
            with self.record.mine():
                self._commit()
        except OvertakenError:
            return
        except GoBackError as error:
            self._back(error.why, error.failed)
        except HostError as error:
            self._back(error.message, code=error.code)
        except Exception as error:  # noqa: BLE001 - whatever it was, the host must not stay half-way
            self.record.say(traceback.format_exc())
            self._back(f"The helper failed: {type(error).__name__}: {error}"[:500], code="failed")

    def _back(self, why: str, failed: tuple[str, ...] = (), code: str = "cancelled") -> None:
        try:
            with self.record.mine():
                go_back(self.record, why, failed, code)
        except OvertakenError:
            return

    def _stop(self) -> None:
        """Leave what is being done when somebody wants it undone, or already undoes it."""
        state = self.record.must_read()
        if state["status"] in ENDED | {"reverting"}:
            raise OvertakenError
        if (why := reason_for(self.config, self.job)) is not None:
            raise GoBackError(why)

    def keep(self) -> None:
        """Keep what going back needs before anything says that this job was begun."""
        self.record.folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.config.path, self.record.folder / "config.json")
        self.record.log.touch()
        arm.keep(self.record.folder, self.arguments["base"], self.target["system"], self.helper)

    def _arm(self) -> None:
        system, base = self.target["system"], self.arguments["base"]
        self._adopt(base)
        effects = plan.unit_changes(Path(base), Path(system))
        own = {name for project in self.projects if self.target["project"] == project.name for name in project.units}
        together = {**units.read_units(Path(base)), **units.read_units(Path(system))}
        self.touched = units.depending(together, effects.touched() | own)
        self._timer(self.config.activation)
        self._stop()

    def _timer(self, seconds: int) -> None:
        """Arm one more dead man, and only then stop those before it."""
        with self.record.mine() as state:
            former = state["timers"]
            number = max(former, default=0) + 1
            self.record.write(state["status"], timers=[*former, number])
        arm.arm(self.record.folder, self.job, number, seconds, self.helper)
        arm.disarm(self.job, former)
        with self.record.mine() as state:
            self.record.write(state["status"], timers=[number])

    def _adopt(self, base: str) -> None:
        """Record the generation that runs as proved, when this host was never switched by opsbot."""
        number = running_generation(self.config)
        if ledger(self.config).empty and number is not None:
            commit_id = self.target.get("base_commit") or commit_of_running(self.config)
            pins = self.target.get("base_pins") or pins_of(self.config, commit_id, base)
            enter(self.config, Entry(generation=number, system=base, commit=commit_id, pins=pins, at=time.time()))

    def _switch(self) -> None:
        system = self.target["system"]
        self.record.say(f"activating {system}")
        self.record.move("activating", switched=True)
        done = switch(system, "test", self.record.log, again=True)
        if done.busy:
            with self.record.mine():
                message = "Somebody else is switching this host."
                end(self.record, "refused", error={"code": "busy", "message": message})
            raise OvertakenError
        with self.record.mine() as state:
            self.record.write(state["status"], code=done.code)
        if not done.active:
            raise GoBackError(f"switch-to-configuration ended with {done.code}.")
        if real(self.config.running) != system:
            raise GoBackError("switch-to-configuration ended well, but the new system does not run.")

    def _prove(self) -> None:
        self.record.move("proving")
        settle = max((project.settle for project in self.projects), default=_SETTLE)
        verdict = prove(self.before, self.projects, self.touched, settle, self._stop)
        with self.record.mine() as state:
            self.record.write(state["status"], warnings=list(verdict.warnings))
        if verdict.faults:
            raise GoBackError(f"{'; '.join(verdict.faults)}.", verdict.failed_units)

    def _wait(self) -> None:
        confirm = folders(self.config).request(self.job, "confirm")
        self._timer(self.window + arm.MARGIN)
        deadline = time.monotonic() + self.window
        self.record.move("waiting", deadline=round(time.time() + self.window, 1))
        self.record.say(f"waiting {self.window} s for a word from the bot")
        while not confirm.exists():
            self._stop()
            if time.monotonic() > deadline:
                raise GoBackError(f"Nobody confirmed within {self.window} s.")
            time.sleep(_POLL)

    def _commit(self) -> None:
        try:
            commit(self.record)
        except HostError as error:
            go_back(self.record, f"It could not be made the default. {error.message}")


def activate(config: Config, job: str, parse: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Do the activation that was asked for, or end one that was cut off; PARSE checks the request."""
    said = switch_request(config, job)
    if said is None:
        raise HostError("unknown", f"Nobody asked for an activation of job {job}.")
    record = Record(config=config, job=job)
    with host_lock(config, patience=_HOST_PATIENCE) as mine:
        state = record.read()
        if state is not None and (state["status"] in ENDED or not mine):
            return
        if state is not None and state["status"] != "arming":
            resume(record, state)
            return
        try:
            work = _admit(record, said[0], parse(*said), free=mine)
            fields = work.check()
            work.keep()
        except HostError as error:
            arm.disarm(job, (state or {}).get("timers", []))
            arm.let_go(record.folder)
            record.create("refused", error=error.as_json())
            return
        files.write_json(folders(config).holder, {"job": job})
        sweep(config, job)
        work.go(fields)


def _admit(record: Record, verb: str, arguments: dict[str, Any], *, free: bool) -> Activation:
    if not free or holder(record.config) not in (None, record.job):
        raise HostError("busy", f"Job {holder(record.config)} holds this host.")
    return Activation(record, verb, arguments)
