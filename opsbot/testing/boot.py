"""What a host in memory does about its boots."""

from typing import Protocol

from opsbot.errors import HostError
from opsbot.model import Json


class Boots(Protocol):
    """The host that is booted."""

    jobs: dict[str, dict[str, Json]]
    endings: dict[str, Json]
    generations: list[Json]
    staged: Json
    boots: int

    @property
    def running(self) -> Json:
        """The generation that runs."""

    def add(self, system: str, commit: str, pins: Json) -> int:
        """Add a generation that runs and is the default; return its number."""

    def numbered(self, number: int) -> Json:
        """Return a generation by its number."""

    def state(self, given: Json) -> Json:
        """Return the state of a job."""


def stage(host: Boots, given: Json) -> Json:
    """Make the system of a job the default of the next boot, once."""
    parts = host.jobs[given["job"]]
    if "activate" in parts:
        return host.state(given)
    wanted, running = parts["prepare"], host.running
    number = wanted.get("generation") or host.add(wanted["system"], wanted["commit"], wanted["pins"])
    for one in host.generations:
        one["running"], one["current"] = one is running, one["generation"] == number
    parts["prepare"] = {**wanted, "generation": number}
    known = {"generation": number, "runs": running["generation"], "boot": True, "warnings": []}
    if number == running["generation"]:
        host.staged = None
        parts["activate"] = {**known, "status": "committed"}
        return host.state(given)
    host.numbered(number)["proved"] = False
    parts["activate"] = {**known, "status": "staged"}
    host.staged = {"job": given["job"], "generation": number, "rebooted": False, "booted": False}
    return host.state(given)


def reboot(host: Boots, into: int | None) -> None:
    """Come up with the default, or with another generation."""
    host.boots += 1
    default = next(one["generation"] for one in host.generations if one["current"])
    for one in host.generations:
        one["running"] = one["generation"] == (default if into is None else into)
    if host.staged:
        host.staged = {**host.staged, "rebooted": True, "booted": host.running["generation"] == default}


def proof(host: Boots, given: Json) -> Json:
    """Begin to prove what was booted."""
    if not host.staged or not host.staged["booted"]:
        raise HostError("The host was rebooted, and came up with another system.", code="not-ready")
    activation = host.jobs[given["job"]]["activate"]
    if activation["status"] == "staged":
        keeps = {"keeps": "a switch does not undo a reboot", "faults": []}
        activation |= {"status": "waiting", "deadline": 4e9, **keeps, **host.endings.get("proof", {})}
    return host.state(given)
