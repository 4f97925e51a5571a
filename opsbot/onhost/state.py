"""Where a job's files are, and what they say together."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsbot.onhost import files
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError

#: The statuses of an activation that stay as they are.
ENDED = frozenset({"committed", "staged", "reverted", "rebooted", "refused", "stuck"})
#: Where a system is that waits for a reboot, or for its proof afterwards.
_UNPROVED = ("staged", "proving", "waiting")
#: Seconds that systemd may take to start what was asked for.
START_GRACE = 10.0
#: Verbs that put a running system in place; a job has one of them at most.
SWITCHING = ("activate", "rollback")


@dataclass(frozen=True)
class Folders:
    """The paths below the state folder."""

    top: Path

    def request(self, job: str, verb: str) -> Path:
        """Return the file that holds what the bot asked for."""
        return self.top / "requests" / f"{job}.{verb}.json"

    def build(self, job: str) -> Path:
        """Return the folder that belongs to a job's build."""
        return self.top / "builds" / job

    def job(self, job: str) -> Path:
        """Return root's folder for a job."""
        return self.top / "jobs" / job

    def publication(self, job: str) -> Path:
        """Return the publisher's folder for a job."""
        return self.top / "published" / job

    @property
    def host_lock(self) -> Path:
        """The lock that the one activation on this host holds for its life."""
        return self.top / "jobs" / "lock"

    @property
    def holder(self) -> Path:
        """The file that names the last job that held the host."""
        return self.top / "jobs" / "holder.json"

    @property
    def staged(self) -> Path:
        """The file that names the last job whose system waits for a reboot."""
        return self.top / "jobs" / "staged.json"

    @property
    def ledger(self) -> Path:
        """The record of the generations that were proved."""
        return self.top / "jobs" / "generations.json"


def folders(config: Config) -> Folders:
    """Return the folders of a configuration."""
    return Folders(config.state)


def boot_id(config: Config) -> str:
    """Return the id of this boot."""
    return config.boot_id.read_text(encoding="ascii").strip()


def real(path: Path) -> str:
    """Return where a link leads in the end, as text."""
    return os.path.realpath(path)


def asked(config: Config, job: str, verb: str) -> dict[str, Any] | None:
    """Return the arguments of a request that was written, if it was."""
    return files.read_json(folders(config).request(job, verb))


def switch_request(config: Config, job: str) -> tuple[str, dict[str, Any]] | None:
    """Return the verb and arguments of the job's activation, if one was asked for."""
    for verb in SWITCHING:
        arguments = asked(config, job, verb)
        if arguments is not None:
            return verb, arguments
    return None


def cancelled(config: Config, job: str) -> bool:
    """Say whether the job is to be cancelled."""
    return folders(config).request(job, "cancel").exists()


def activation(config: Config, job: str) -> dict[str, Any] | None:
    """Return what root wrote down about the job's activation, as it was written."""
    return files.read_json(folders(config).job(job) / "state.json")


def holder(config: Config) -> str | None:
    """Return the job that holds this host: begun, not ended, and not cut off by a reboot."""
    job = (files.read_json(folders(config).holder) or {}).get("job")
    state = activation(config, job) if isinstance(job, str) else None
    if state is None or state["status"] in ENDED or rebooted(config, state):
        return None
    # What was to be proved after a reboot is so no longer when a person has made another system the default.
    if state.get("boot") and state["status"] in _UNPROVED and staged(config) is None:
        return None
    return str(job)


def rebooted(config: Config, state: dict[str, Any]) -> bool:
    """Say whether a reboot has ended an activation: until the commit begins, it undoes everything."""
    open_still = state["status"] not in ENDED and not state.get("committing")
    return open_still and state["boot_id"] != boot_id(config)


def staged(config: Config) -> dict[str, Any] | None:
    """Return what waits to be booted and proved, unless another system was made the default since.

    `rebooted` says that the host came up anew since, `booted` that it did so with this system.
    """
    job = (files.read_json(folders(config).staged) or {}).get("job")
    state = activation(config, job) if isinstance(job, str) else None
    if state is None or state["status"] not in _UNPROVED or real(config.profile) != state["system"]:
        return None
    rebooted = state["boot_id"] != boot_id(config)
    booted = rebooted and real(config.booted) == real(config.running) == state["system"]
    known = {"job": job, "generation": state["generation"], "system": state["system"]}
    return {**known, "rebooted": rebooted, "booted": booted}


def _when_asked(config: Config, job: str, *verbs: str) -> float:
    paths = [folders(config).request(job, verb) for verb in verbs]
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)


def _just_asked(config: Config, job: str, *verbs: str, since: float = 0.0) -> bool:
    """Say whether a unit may still be on its way: asked for a moment ago, and nothing written down since."""
    newest = _when_asked(config, job, *verbs)
    # A clock that was set back leaves requests of a time that is still to come; they are not awaited until then.
    return newest > since and abs(time.time() - newest) < START_GRACE


def _part(config: Config, job: str, verb: str, folder: Path) -> dict[str, Any] | None:
    """Merge request, result and liveness of a build or a publication."""
    arguments = asked(config, job, verb)
    if arguments is None:
        return None
    # The lock first: whoever lets it go has written the result before.
    working = files.is_locked(folder / "lock")
    result = files.read_json(folder / "result.json")
    if working:
        return {**(result or {}), "status": "running"}
    if _just_asked(config, job, verb, since=(result or {}).get("at", 0.0)):
        return {"status": "running"}
    if result is None or result["status"] == "running":
        return {**(result or {}), "status": "lost"}
    return result


def _switched(config: Config, job: str) -> dict[str, Any] | None:
    if switch_request(config, job) is None:
        return None
    place = folders(config)
    # The locks first: whoever lets them go has written the state before.
    mine = (files.read_json(place.holder) or {}).get("job") == job and files.is_locked(place.host_lock)
    alive = files.is_locked(place.job(job) / "state.lock") or mine
    state = activation(config, job)
    if state is None or state["status"] in ENDED - {"staged"}:
        return state or {"status": "running" if alive or _just_asked(config, job, *SWITCHING) else "lost"}
    if state.get("boot") and state["status"] in _UNPROVED:
        return _proof_of(config, job, state, alive=alive)
    if rebooted(config, state):
        return {**state, "status": "rebooted", "why": "The host was rebooted before the commit."}
    if alive or _just_asked(config, job, *SWITCHING, "revert", since=state["at"]):
        return state
    return {**state, "status": "lost", "was": state["status"]}


def _proof_of(config: Config, job: str, state: dict[str, Any], *, alive: bool) -> dict[str, Any]:
    """Return what waits for a reboot or its proof; asked for since it was written down, it is proved anew."""
    if _when_asked(config, job, "prove") <= state["at"] and (alive or state["status"] == "staged"):
        return state
    proving = alive or _just_asked(config, job, "prove", since=state["at"])
    return {**state, "status": "proving"} if proving else {**state, "status": "lost", "was": state["status"]}


def job_state(config: Config, job: str) -> dict[str, Any]:
    """Return everything that is known about a job; one that nobody asked for is refused."""
    place = folders(config)
    state = {
        "prepare": _part(config, job, "prepare", place.build(job)),
        "activate": _switched(config, job),
        "publish": _part(config, job, "publish", place.publication(job)),
    }
    if all(part is None for part in state.values()):
        raise HostError("unknown", f"This host knows no job {job}.")
    state["console"] = asked(config, job, "console")
    return {"job": job, "boot_id": boot_id(config), "running": real(config.running), **state}


def built(config: Config, job: str) -> dict[str, Any]:
    """Return the result of a job's build that can be activated; anything else is refused with its reason."""
    result = _part(config, job, "prepare", folders(config).build(job))
    if result is None:
        raise HostError("unknown", f"Nothing was prepared for job {job}.")
    if result["status"] != "built":
        raise HostError("not-ready", f"The build of job {job} is not one to activate: {result['status']}.")
    if real(folders(config).build(job) / "result") != result["system"]:
        raise HostError("not-ready", f"The build of job {job} was taken away; prepare it again under another id.")
    return result


def all_jobs(config: Config) -> list[tuple[str, float]]:
    """Return every job that was asked for and when that was, newest first."""
    times: dict[str, float] = {}
    for path in (folders(config).top / "requests").glob("*.*.json"):
        job = path.name.partition(".")[0]
        if job:
            when = path.stat().st_mtime
            times[job] = min(times.get(job, when), when)
    return sorted(times.items(), key=lambda item: (-item[1], item[0]))
