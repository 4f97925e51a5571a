"""What goes wrong in the world: each at one moment, some for a while."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import strategies as st

from opsbot.testing import mishaps
from tests.model.world import World

#: The steps of jobs in which the bot may die.
_STEPS = ("begin", "find", "prepare", "plan", "agree", "turn", "look", "activate", "prove", "publish", "hold", "end")


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong, by its name."""

    name: str
    strike: Callable[[World], object] = field(repr=False)


def _outage(name: str, strike: Callable[[World, float], object]) -> list[Trouble]:
    """Return what is gone for some seconds: shorter and longer than the bot's minute to confirm."""
    return [Trouble(f"{name} for {seconds:g} s", partial(_begin, strike, seconds)) for seconds in (0.5, 3, 15, 70, 200)]


def _begin(strike: Callable[[World, float], object], seconds: float, world: World) -> None:
    strike(world, seconds)


def _fails(part: str) -> Trouble:
    return Trouble(f"{part} fails", lambda world: world.host.faults.update({part: "It does not start."}))


def _dies_at(place: str) -> Trouble:
    return Trouble(f"the bot dies {place}", lambda world: setattr(world, "fatal", place))


def _are_ill(world: World) -> None:
    world.outside.ill |= dict.fromkeys(("hello-bot", "homeserver"), "It answers 502.")


def _kill_units(world: World) -> None:
    for unit in list(world.host.units):
        world.host.kill(*unit)


def _by_hand(world: World) -> None:
    mishaps.by_hand(world.host, f"by hand {len(world.host.generations)}")


_CANCELS = Trouble("somebody cancels", lambda world: world.say("admin", f"!cancel {len(world.jobs)}"))
_KINDS: tuple[list[Trouble], ...] = (
    _outage("the bot is killed", World.kill),
    [_dies_at(f"{when} {step}") for when in ("before", "in", "after") for step in _STEPS],
    _outage("the host is cut off", lambda world, seconds: mishaps.cut(world.host, seconds)),
    _outage("the host is silent", lambda world, seconds: mishaps.cut(world.host, seconds, silent=True)),
    _outage("the homeserver is away", World.outage),
    [*map(_fails, ("prepare", "activate", "prove"))],
    [Trouble("publishing fails", lambda world: setattr(world.host, "publish_fails", 3))],
    [
        Trouble("services are ill", _are_ill),
        Trouble("services are well", lambda world: world.outside.ill.clear()),
    ],
    [
        Trouble("the host answers badly", lambda world: setattr(world.host, "fail_next", 1)),
        Trouble("answers of the host are lost", lambda world: setattr(world.host, "lose_next", 2)),
    ],
    [Trouble("answers of the homeserver are lost", lambda world: setattr(world.room, "lose_next", 2))],
    [Trouble("the units of the host are killed", _kill_units)],
    [Trouble("the host loses its power", lambda world: mishaps.power_cut(world.host))],
    [Trouble("somebody switches by hand", _by_hand)],
    [
        Trouble("somebody confirms at the console", lambda world: mishaps.at_console(world.host, "confirm")),
        Trouble("somebody reverts at the console", lambda world: mishaps.at_console(world.host, "revert")),
    ],
    [_CANCELS],
    [_CANCELS],
)
#: Each kind as often as any other; a cancel is of two kinds, for people do that.
TROUBLES = st.sampled_from(_KINDS).flatmap(st.sampled_from)
