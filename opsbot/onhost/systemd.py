"""systemd's command lines and what they say; its answers are read, its state is never relied upon."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opsbot.onhost.errors import HostError
from opsbot.onhost.run import must, run

Argv = tuple[str, ...]

#: The states in which a unit counts as running; a oneshot is "activating" all the time that it works.
RUNNING = ("active", "reloading", "activating")
_PROPERTIES = "Id,LoadState,ActiveState,SubState,ActiveEnterTimestamp,ActiveEnterTimestampMonotonic"
_CHUNK = 200
_LINE = 2000


def start(unit: str) -> Argv:
    """Ask for a unit without waiting for it."""
    return ("systemctl", "start", "--no-block", unit)


def stop(unit: str) -> Argv:
    """Stop a unit."""
    return ("systemctl", "stop", unit)


def restart(unit: str) -> Argv:
    """Restart a unit and wait for it."""
    return ("systemctl", "restart", unit)


def journal(unit: str, lines: int) -> Argv:
    """Ask for the last lines of a unit's journal."""
    return ("journalctl", f"--unit={unit}", f"--lines={lines}", "--output=cat", "--no-pager")


def deadman(unit: str, seconds: int, log: Path, environment: Mapping[str, str], command: Sequence[str]) -> Argv:
    """Arm a transient timer that runs COMMAND after so many seconds, its words appended to LOG."""
    return (
        "systemd-run", "--no-ask-password", "--quiet", f"--unit={unit}", f"--on-active={seconds}",
        "--timer-property=AccuracySec=1s", "--timer-property=RemainAfterElapse=no", "--service-type=exec",
        f"--property=StandardOutput=append:{log}", f"--property=StandardError=append:{log}",
        "--property=WorkingDirectory=/", *(f"--setenv={key}={value}" for key, value in environment.items()),
        "--", *command,
    )  # fmt: skip


def parse_show(text: str, names: Sequence[str], now: float, monotonic: float) -> dict[str, dict[str, Any]]:
    """Read what `systemctl show` said of NAMES: each unit's state, and since when in seconds since 1970."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")]
    blocks = [block for block in blocks if "Id" in block]
    # An alias is answered with the unit's first name, so the order counts, not the name.
    by_name = dict(zip(names, blocks, strict=True)) if len(blocks) == len(names) else {b["Id"]: b for b in blocks}
    return {name: _unit(block, now, monotonic) for name, block in by_name.items()}


def _unit(values: Mapping[str, str], now: float, monotonic: float) -> dict[str, Any]:
    if values.get("LoadState") == "not-found":
        return {"active": "not-found"}
    since = values.get("ActiveEnterTimestampMonotonic", "")
    # The monotonic stamp is free of time zones and languages, in which the other one is written.
    at = now - (monotonic - int(since) / 1e6) if since.isdecimal() and int(since) else None
    return {
        "active": values.get("ActiveState", ""),
        "sub": values.get("SubState", ""),
        "since": round(at, 1) if at is not None else _epoch(values.get("ActiveEnterTimestamp", "")),
    }


def _epoch(text: str) -> float | None:
    try:
        _, date, clock, *_ = text.split(" ")
        return time.mktime(time.strptime(f"{date} {clock}", "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return None


def parse_failed(text: str) -> list[str]:
    """Read the units that `systemctl list-units` names."""
    rows = [line.replace("●", " ").split() for line in text.splitlines()]
    return sorted(row[0] for row in rows if row)


def show(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the state of each unit; one that the host does not have, and a template, is `not-found`."""
    found: dict[str, dict[str, Any]] = {}
    wanted = [name for name in names if "@." not in name]
    for begin in range(0, len(wanted), _CHUNK):
        some = wanted[begin : begin + _CHUNK]
        text = must(run(("systemctl", "show", f"--property={_PROPERTIES}", "--", *some), within=20))
        found |= parse_show(text, some, time.time(), time.clock_gettime(time.CLOCK_MONOTONIC))
    return {name: found.get(name, {"active": "not-found"}) for name in names}


def failed(*, or_trying: bool = False) -> list[str]:
    """Return the units that have failed, sorted; OR_TRYING: also those that wait to be started again after it."""
    states = "failed,auto-restart" if or_trying else "failed"
    argv = ("systemctl", "list-units", f"--state={states}", "--plain", "--no-legend", "--no-pager")
    return parse_failed(must(run(argv, within=20)))


def lines(unit: str, count: int) -> list[str]:
    """Return the last lines of a unit's journal, each cut to a length for people; HostError when it cannot be read."""
    done = run(journal(unit, count), within=20)
    if done.code != 0:
        why = f"The journal of {unit} cannot be read: {done.last_line}"
        raise HostError("failed", f"{why} (add the user opsbot to the group systemd-journal)")
    return [line[:_LINE] for line in done.out.splitlines()][-count:]
