"""What a plan says: what would stop, what would move, what is not the project's own."""

from collections.abc import Mapping
from typing import Protocol

from opsbot.model import Json, Text
from opsbot.render.hazards import warnings
from opsbot.render.jobs import short
from opsbot.render.text import lines, pre, words

#: Without these nobody hears from the bot.
_OUR_LIFELINES = ("homeserver", "bridge", "opsbot")


class HasUnit(Protocol):
    """A configured service: the unit that it is."""

    @property
    def unit(self) -> str | None:
        """The systemd unit, if it has one."""


def touched_units(plan: Json) -> frozenset[str]:
    """Return the units that activating a plan would stop, start, restart or reload, and those that fall with them."""
    return frozenset(plan.get("touched", ())).union(*plan["units"].values())


def impact(plan: Json, services: Mapping[str, HasUnit]) -> str:
    """Say in one line which units change, and whether people will hear nothing for a while."""
    parts = [f"{verb}s {', '.join(names)}" for verb, names in plan["units"].items() if names]
    said = "; ".join(parts) or "no unit changes"
    stopped = {unit for verb in ("stop", "restart") for unit in plan["units"][verb]}
    ours = [role for role in _OUR_LIFELINES if role in services and services[role].unit in stopped]
    if ours:
        said += f". You will not hear from me for about 30 s: it restarts {', '.join(ours)}"
    if plan["commits"]:
        newest = "; ".join(one["subject"][:50] for one in plan["commits"][:3])
        more = len(plan["commits"]) - 3
        said += f". Brings {newest}" + (f" and {more} more" if more > 0 else "")
    return ". ".join([said, *(warning.rstrip(".") for warning in warnings(plan))])


def plan_text(plan: Json) -> Text:
    """Show a whole plan."""
    moves = [f"{name}: {short(old)} → {short(new)}" for name, (old, new) in sorted(plan["moves"].items())]
    foreign = ", ".join(f"`{name}`" for name in plan["foreign"][:10])
    return lines(
        words("Moves " + "; ".join(moves)) if moves else None,
        *(words(f"{verb}: {', '.join(names)}") for verb, names in plan["units"].items() if names),
        words(f"Not the project's own: {foreign}") if foreign else None,
        *(words(f"⚠ {warning}") for warning in warnings(plan)),
        pre(plan["closure"][:12]) if plan["closure"] else None,
    )
