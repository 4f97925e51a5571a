"""The two ways out of an activation: the commit, and going back. Whoever calls them holds the host and the record."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsbot.onhost import arm, files, nix, prove, systemd
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.ledger import Entry
from opsbot.onhost.record import Record, enter
from opsbot.onhost.run import must, run
from opsbot.onhost.state import activation, asked, boot_id, folders, real, rebooted
from opsbot.onhost.switch import switch, switch_patiently
from opsbot.onhost.systems import current_generation, generation_links, ledger, spoken_commit
from opsbot.onhost.trees import kernel_changed

_PROFILE = 60.0


def end(record: Record, status: str, **fields: Any) -> None:
    """Write the last status of an activation, stop its timers and let go of what it kept."""
    state = record.note(status, **fields)
    record.say(status if "why" not in state else f"{status}: {state['why']}")
    arm.disarm(record.job, state.get("timers", []))
    # An end that could not be written comes again, and needs all that was kept.
    if status != "stuck" and record.must_read()["status"] == status:
        arm.let_go(record.folder)


def _despite(record: Record, state: dict[str, Any]) -> str | None:
    """Return why what is committed is not proved: as its proof failed, or as the bot says of its own."""
    said = (asked(record.config, record.job, "confirm") or {}).get("despite")
    return state.get("despite") or said or "; ".join(state.get("faults") or []) or None


def commit(record: Record, despite: str | None = None) -> None:
    """Make the running system the default, from wherever a former attempt was cut off; HostError when it cannot be.

    DESPITE says why it is kept though it is not proved.
    """
    despite = despite or _despite(record, record.must_read())
    state = record.write("committing", committing=True, despite=despite)
    config = record.config
    if real(config.running) != state["system"]:
        raise HostError("failed", "The system that was to be made the default does not run any more.")
    _make_default(record, state)
    _committed(record, state.get("commit") or spoken_commit(config), despite)


def _make_default(record: Record, state: dict[str, Any]) -> None:
    """Move profile and boot loader to a system; HostError when they do not follow."""
    config, system = record.config, state["system"]
    _name(config, system, state.get("generation") if state["verb"] == "rollback" else None)
    if (done := switch(system, "boot", record.log)).code != 0:
        raise HostError("failed", f"The boot loader could not be set (switch-to-configuration {done.end}).")
    if current_generation(config) is None or real(config.profile) != system:
        raise HostError("failed", "The profile did not follow.")


def _name(config: Config, system: str, number: int | None) -> None:
    """Let the profile name a system, by its generation; by a new one when it has none, or that was collected since."""
    link = generation_links(config).get(number or 0)
    if link is not None and real(link) == system:
        must(run(nix.switch_generation(config.profile, int(number or 0)), within=_PROFILE))
    elif real(config.profile) != system:
        must(run(nix.set_profile(config.profile, system), within=_PROFILE))


def _committed(record: Record, commit_id: str | None, despite: str | None) -> None:
    """End with what runs as the default."""
    config, state, proved = record.config, record.must_read(), despite is None
    number, warnings = _enter(record, state, commit_id, proved=proved), [*state.get("warnings", []), *_dropped(state)]
    why = {} if proved else {"why": despite}
    reboot = config.booted.is_dir() and kernel_changed(Path(real(config.booted)), Path(state["system"]))
    more = {"generation": number, "commit": commit_id, "proved": proved, "reboot_needed": reboot, "warnings": warnings}
    end(record, "committed", **more, **why)


def _dropped(state: dict[str, Any]) -> list[str]:
    """Say what waited for a reboot and will not be booted any more."""
    waited = state.get("drops")
    if waited in (None, state.get("generation")):
        return []
    return [f"Generation {waited} waited for a reboot and is not the default any more: deploy it again with --boot."]


def _enter(record: Record, state: dict[str, Any], commit_id: str | None, *, proved: bool) -> int:
    """Record the generation that the profile names; return its number."""
    number = int(current_generation(record.config) or 0)
    entry = Entry(generation=number, system=state["system"], commit=commit_id, pins=state.get("pins", {}))
    enter(record.config, replace(entry, proved=proved, job=record.job, at=time.time()))
    return number


def stage(record: Record) -> None:
    """Make a system the default of the next boot, from wherever a former attempt was cut off; activate nothing."""
    state = record.must_read()
    config, system = record.config, state["system"]
    _make_default(record, state)
    known = ledger(config).entry(int(current_generation(config) or 0), system)
    if real(config.running) == system:
        _committed(record, state.get("commit"), None if known and known.proved else "It was never proved.")
        return
    number = _enter(record, state, state.get("commit"), proved=bool(known and known.proved))
    files.write_json(folders(config).staged, {"job": record.job})
    # Told once: the proof after the boot has warnings of its own.
    end(record, "staged", generation=number, warnings=_dropped({**state, "generation": number}), drops=None)


def _somebody_elses(record: Record, state: dict[str, Any]) -> bool:
    """Say whether a person has put a third system in place meanwhile, which is not ours to undo."""
    running = record.config.running
    return real(running) not in (state["base"], state["system"]) and (running / "nixos-version").is_file()


def go_back(record: Record, why: str, units: tuple[str, ...] = (), code: str = "cancelled") -> None:
    """Put the former system in place again and write down why; never raises for what a program does."""
    state = record.note("reverting", why=why)
    record.say(f"going back: {why}")
    if not (state.get("switched") or state.get("boot")):
        end(record, "refused", why=why, error={"code": code, "message": why})
        return
    try:
        failed = sorted({*units, *(set(systemd.failed()) - set(state["failed_before"]))})
        state = record.note("reverting", why=why, failed_units=prove.last_words(failed))
    except HostError as error:
        record.say(f"the failed units could not be read: {error.message}")
    if _somebody_elses(record, state):
        end(record, "stuck", why=f"{why} Then somebody else put another system in place; it was left alone.")
        return
    try:
        _put_back(record, state)
    except HostError as error:
        end(record, "stuck", why=f"{why} Going back failed: {error.message}")
        return
    again = state.get("switched") and state["boot_id"] != boot_id(record.config)
    end(record, "rebooted" if again else "reverted", why=why)


def _put_back(record: Record, state: dict[str, Any]) -> None:
    config, base = record.config, state["base"]
    if state.get("committing"):
        number = state["base_generation"]
        _name(config, base if number is None else state.get("default") or base, number)
    if state.get("switched") and (state["boot_id"] == boot_id(config) or real(config.running) != base):
        done = switch_patiently(base, "test", record.log)
        if not done.active or real(config.running) != base:
            raise HostError("failed", f"switch-to-configuration of the former system {done.end}.")
    former = state.get("default") or base
    if state.get("committing") and (done := switch_patiently(former, "boot", record.log)).code != 0:
        raise HostError("failed", f"the boot loader could not be set back: switch-to-configuration {done.end}.")
    try:
        still = sorted(set(systemd.failed()) - set(state["failed_before"]))
    except HostError as error:
        record.say(f"the failed units could not be read: {error.message}")
        return
    record.note("reverting", warnings=[*state.get("warnings", []), *(f"{unit} has failed since." for unit in still)])


def sweep(config: Config, job: str) -> None:
    """Let go of what jobs that a reboot has ended still keep from being collected."""
    for link in folders(config).host_lock.parent.glob("*/old"):
        state = activation(config, link.parent.name)
        if link.parent.name != job and state is not None and rebooted(config, state):
            arm.let_go(link.parent)
