"""Put a system in place: armed, switched, proved, confirmed, committed; or back to what ran before."""

import os
import shutil
import time
import traceback
from collections.abc import Callable
from typing import Any

from opsbot.onhost import arm, boot, files
from opsbot.onhost.commit import commit, end, go_back, stage, sweep
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError, told
from opsbot.onhost.ledger import Entry
from opsbot.onhost.order import Order
from opsbot.onhost.prove import Doctor, last_words, prove
from opsbot.onhost.record import OvertakenError, Record, enter, host_lock
from opsbot.onhost.revert import reason_for, resume
from opsbot.onhost.state import ENDED, folders, holder, real, switch_request
from opsbot.onhost.switch import Switched, switch
from opsbot.onhost.systems import (
    commit_of_running,
    current_generation,
    ledger,
    pins_of,
    running_generation,
)

_POLL = 0.2
_HOST_PATIENCE = 3.0


class GoBackError(Exception):
    """The new system is not to stay; the text says why."""

    def __init__(self, why: str, failed: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.why, self.failed = why, failed


class Activation:
    """One activation, from the check of its base to its end; its process holds the host's lock."""

    def __init__(self, record: Record, order: Order) -> None:
        self.record, self.order = record, order
        self.config, self.job = record.config, record.job
        # Found out before the switch: after it, the names that lead to them may lead to others.
        self.helper = arm.this_helper()
        self.doctor = Doctor.of(order.services, self.config.check_user)

    def check(self) -> dict[str, Any]:
        """Look at everything once more before it begins; HostError when it may not."""
        fields = self.order.check()
        self.before = self.doctor.look_before()
        return fields

    def go(self, fields: dict[str, Any]) -> None:
        """Run to the end; FIELDS are what `check` returned."""
        os.environ["PATH"] = arm.resolved_path()
        former: dict[str, Any] = {
            "base_generation": current_generation(self.config),
            "runs": running_generation(self.config),
        }
        former |= {"default": real(self.config.profile), "failed_before": sorted(self.before.failed)}
        if self.order.boot:
            self._stage({**fields, **former})
            return
        timers = (self.record.read() or {}).get("timers", [])
        self.record.create("arming", **fields, **former, timers=timers, warnings=[])
        try:
            self._arm()
            self._switch()
            self._prove()
            despite = self._wait()
            with self.record.mine():
                self._make_default(commit, self.record, despite)
        except OvertakenError:
            return
        except GoBackError as error:
            self._back(error.why, error.failed)
        except HostError as error:
            self._back(error.message, code=error.code)
        except Exception as error:  # noqa: BLE001 - whatever it was, the host must not stay half-way
            self.record.say(traceback.format_exc())
            self._back(f"The helper failed: {told(error).message}", code="failed")

    def _stage(self, fields: dict[str, Any]) -> None:
        """Make it the default of the next boot; nothing is activated, so no dead man is needed."""
        self._adopt(self.order.base)
        well = sorted(self.before.well)
        self.record.create("committing", **fields, well=well, boot=True, committing=True, warnings=[])
        with self.record.mine():
            self._make_default(stage, self.record)

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
        arm.keep(self.record.folder, self.order.base, self.order.system, self.helper)

    def _arm(self) -> None:
        self._adopt(self.order.base)
        # Read now: which units run is another question after the switch.
        self.record.say(f"touches {', '.join(sorted(self.order.touched)) or 'no unit'}")
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
        number, target = running_generation(self.config), self.order.target
        if ledger(self.config).empty and number is not None:
            commit_id = target.get("base_commit") or commit_of_running(self.config)
            pins = target.get("base_pins") or pins_of(self.config, commit_id, base)
            enter(self.config, Entry(generation=number, system=base, commit=commit_id, pins=pins, at=time.time()))

    def _switch(self) -> None:
        system = self.order.system
        self.record.say(f"activating {system}")
        self.record.move("activating", switched=True)
        done = switch(system, "test", self.record.log, again=True)
        error = _untouched(done)
        if error is not None and real(self.config.running) == self.order.base:
            with self.record.mine():
                end(self.record, "refused", code=done.code, error=error)
            raise OvertakenError
        with self.record.mine() as state:
            self.record.write(state["status"], code=done.code)
        if not done.active:
            raise GoBackError(f"switch-to-configuration {done.end}.")
        if real(self.config.running) != system:
            raise GoBackError("switch-to-configuration ended well, but the new system does not run.")

    def _prove(self) -> None:
        self.record.move("proving")
        order = self.order
        verdict = prove(self.before, self.doctor, order.counted, within=order.settle, stop=self._stop)
        if verdict.faults and order.keeps is None:
            self.record.move("proving", warnings=list(verdict.warnings))
            raise GoBackError(f"{'; '.join(verdict.faults)}.", verdict.failed_units)
        # A person decides; it stays until somebody can be told.
        words = last_words(verdict.failed_units)
        self.record.move("proving", warnings=list(verdict.warnings), faults=list(verdict.faults), failed_units=words)

    def _wait(self) -> str | None:
        """Wait for a word from the bot; return why this stays without one, where silence does not undo it."""
        confirm = folders(self.config).request(self.job, "confirm")
        self._timer(self.order.window + arm.MARGIN)
        deadline = time.monotonic() + self.order.window
        self.record.move("waiting", deadline=round(time.time() + self.order.window, 1))
        self.record.say(f"waiting {self.order.window} s for a word from the bot")
        while not confirm.exists():
            self._stop()
            if time.monotonic() > deadline:
                nobody = f"Nobody confirmed within {self.order.window} s."
                if not self.order.alone:
                    raise GoBackError(nobody)
                return nobody
            time.sleep(_POLL)
        return None

    def _make_default(self, how: Callable[..., None], *arguments: Any) -> None:
        try:
            how(*arguments)
        except HostError as error:
            go_back(self.record, f"It could not be made the default. {error.message}")


def _untouched(done: Switched) -> dict[str, str] | None:
    """Return the error of a switch that did not begin."""
    if done.busy:
        return {"code": "busy", "message": "Somebody else is switching this host."}
    if done.refusal is None:
        return None
    return {"code": "needs-reboot" if done.reboot else "pre-switch", "message": done.refusal}


def activate(config: Config, job: str, parse: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Do the activation that was asked for, or end one that was cut off; PARSE checks the request."""
    said = switch_request(config, job)
    if said is None:
        raise HostError("unknown", f"Nobody asked for an activation of job {job}.")
    record = Record(config=config, job=job)
    with host_lock(config, patience=_HOST_PATIENCE) as mine:
        state = record.read()
        if state is not None and boot.is_to_be_proved(config, job, state):
            if mine and holder(config) in (None, job):
                boot.prove_boot(record)
            return
        if state is not None and (state["status"] in ENDED or not mine):
            return
        if state is not None and state["status"] != "arming":
            resume(record, state)
            return
        try:
            work = _admit(record, said[0], parse(*said), free=mine)
            # Before the look around, which may take long: by this it is seen that the job is at work.
            files.write_json(folders(config).holder, {"job": job})
            fields = work.check()
            work.keep()
        except HostError as error:
            arm.disarm(job, (state or {}).get("timers", []))
            arm.let_go(record.folder)
            record.create("refused", error=error.as_json())
            return
        sweep(config, job)
        work.go(fields)


def _admit(record: Record, verb: str, arguments: dict[str, Any], *, free: bool) -> Activation:
    if (other := holder(record.config)) not in (None, record.job):
        raise HostError("busy", f"Job {other} holds this host.")
    if not free:
        raise HostError("busy", "Somebody else is about to switch this host: ask again when that is done.")
    return Activation(record, Order(record.config, record.job, verb, arguments))
