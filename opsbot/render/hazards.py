"""What does not go back with a system: told before a deploy brings it, and the reason why a rollback stops at it."""

from collections.abc import Collection

from opsbot.model import Json


def _step(hazard: Json) -> str:
    return f"{hazard['old']} → {hazard['new']}".strip(" →") if hazard["old"] or hazard["new"] else "another one"


def warnings(plan: Json) -> list[str]:
    """Return a sentence for each hazard that a plan brings; a plan of an older helper knows none."""
    found = [_warning(hazard) for hazard in plan.get("hazards", ())]
    if plan.get("reboot_needed", plan.get("kernel_changed")):
        found.append("It takes a reboot to be in force as a whole: `--boot` makes it the default for the next one.")
    return found


def _warning(hazard: Json) -> str:
    what = hazard["what"][0].upper() + hazard["what"][1:]
    match hazard["kind"], hazard["back"]:
        case "kernel", _:
            return f"{what} changes: {_step(hazard)}."
        case _, True:
            return f"{what} goes back, {_step(hazard)}: its database has been migrated, and stays so."
        case _:
            return f"{what}, {_step(hazard)}: its database migrates, and a rollback will not bring it back."


def refusal(plan: Json, *, back: bool, options: Collection[str], prefix: str) -> str | None:
    """Return why a plan is not carried out without `--force`: it goes BACK over what does not; None if it may."""
    if "force" in options:
        return None
    crossed = [hazard for hazard in plan.get("hazards", ()) if _is_back(hazard, back=back)]
    if databases := [hazard for hazard in crossed if hazard["kind"] != "kernel"]:
        shown = "; ".join(f"{hazard['what']}, {_step(hazard)}" for hazard in databases)
        return (
            f"it goes back over a database that does not ({shown}): the older version may not start with what the "
            "newer one has written, or harm it. Bring its backup back first, then say `--force`."
        )
    if crossed and "boot" not in options:
        return (
            f"it goes back to another kernel than the one that was booted ({_step(crossed[0])}), whose modules would "
            f"be missing. `{prefix}rollback … --boot` goes back with the next reboot; `--force` does it now."
        )
    return None


def _is_back(hazard: Json, *, back: bool) -> bool:
    return back if hazard["back"] is None else bool(hazard["back"])
