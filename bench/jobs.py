"""Scenarios on the stand-in host: `!status`, `!deploy` and `!rollback` beside the same steps by hand, a long log."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.byhand import ByHand
from bench.ear import Ear, UnheardError
from bench.figures import Figure
from bench.party import UNLIMITED
from bench.process import cpu_seconds, resident
from bench.sizes import Sizes
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.stage import Stage
from opsbot.standin import samples
from opsbot.standin.machine import Machine
from opsbot.web.probes import Prober, Target

_PROJECT = "hello-bot"
_WITHIN = 600.0
_SHARE, _SPARE = 1.02, 1.0
_GROWTH, _GAP = 20.0, 3.0
#: Seconds between two lines of the long log, so that it lasts long enough to be edited.
_PACE = 0.0001
#: Seconds between two looks at the bot's memory.
_LOOK = 0.1


@dataclass(frozen=True, kw_only=True)
class Took:
    """The seconds until the room was told, and until the report of the job showed it."""

    told: float
    shown: float


@dataclass(frozen=True, kw_only=True)
class World:
    """A team with a bot and a host."""

    homeserver: Homeserver
    machine: Machine
    stage: Stage
    ear: Ear

    async def ask(self, who: str, words: str) -> Took:
        """Say something and return how long its answer took. Raises RuntimeError."""
        began = time.monotonic()
        try:
            said = await self.stage.people[who].say(self.stage.room_id, words)
            heard = await self.ear.answered(said, within=_WITHIN)
        except UnheardError as error:
            raise RuntimeError(f"{words}: {error}\n{self.stage.log.read_text()[-2000:]}") from None
        return Took(told=heard.told - began, shown=heard.shown - began)

    def release(self, version: str, **files: str) -> None:
        """Commit something new to the project."""
        made = samples.project(_PROJECT, version, tested="test" in files)
        changed = {"test_hello_bot.py": files["test"]} if files else {}
        self.machine.repositories.projects[_PROJECT].commit(f"Release {version}", made | changed)


@asynccontextmanager
async def _world(folder: Path, *, pace: float = 0.0) -> AsyncIterator[World]:
    async with (
        Homeserver(folder / "synapse") as homeserver,
        Machine(folder / "host", pace=pace) as machine,
        Stage.open(folder / "opsbot", homeserver=homeserver, machine=machine, more={"limits": UNLIMITED}) as stage,
        Ear.open(stage.people["admin"], stage.room_id) as ear,
    ):
        yield World(homeserver=homeserver, machine=machine, stage=stage, ear=ear)


async def status(folder: Path, sizes: Sizes) -> list[Figure]:
    """Measure `!status`, and each thing that it asks by itself."""
    took: dict[str, list[float]] = {}

    async def note(name: str, work: Awaitable[object]) -> None:
        began = time.monotonic()
        await work
        took.setdefault(name, []).append(1000 * (time.monotonic() - began))

    async with _world(folder) as world, ByHand(world.machine) as hand:
        urls = {name: world.machine.url(name) for name in world.machine.repositories.projects}
        urls["homeserver"] = f"{world.homeserver.url}/_synapse/admin/v1/server_version"
        async with Prober({name: Target(http=url) for name, url in urls.items()}) as prober:
            for _ in range(sizes.statuses):
                for command in ("!status", "!hello"):
                    took.setdefault(command, []).append(1000 * (await world.ask("member", command)).told)
                for name in urls:
                    await note(name, prober.probe(name))
                await note("the host's facts", hand.host.ask("facts", {"units": ["nginx.service"]}))
                await note("the newest commits", hand.host.ask("newest"))
    median = {name: statistics.median(values) for name, values in took.items()}
    slowest = max(median.keys() - {"!status", "!hello"}, key=median.__getitem__)
    return [
        Figure(
            what=f"beside its slowest probe ({slowest})", unit="ms", opsbot=median["!status"], other=median[slowest]
        ),
        Figure(what="beside `!hello`, heard the same way", unit="ms", opsbot=median["!status"], other=median["!hello"]),
    ]


async def deploy(folder: Path, sizes: Sizes) -> list[Figure]:
    """Deploy and roll back, by the bot and by hand in turns."""
    mine: dict[str, list[Took]] = {"!deploy": [], "!rollback": []}
    other: dict[str, list[float]] = {"!deploy": [], "!rollback": []}
    async with _world(folder) as world, ByHand(world.machine) as hand:

        async def by_bot(version: str) -> None:
            world.release(version)
            mine["!deploy"].append(await world.ask("deployer", f"!deploy {_PROJECT}"))
            mine["!rollback"].append(await world.ask("deployer", "!rollback"))

        async def by_hand(version: str) -> None:
            world.release(version)
            other["!deploy"].append(await hand.deploy(_PROJECT))
            other["!rollback"].append(await hand.rollback())

        await _warm_up(world, hand)
        for attempt in range(sizes.deploys):
            # Each goes first as often as the other: the host's lists grow with every deploy.
            order = (by_bot, by_hand) if attempt % 2 else (by_hand, by_bot)
            for place, one in enumerate(order):
                await one(f"2.{attempt}.{place}")
    return [row for verb in mine for row in _beside(verb, mine[verb], other[verb])]


async def _warm_up(world: World, hand: ByHand) -> None:
    """Have everybody connected, and a generation that was proved before."""
    await world.ask("member", "!status")
    world.release("1.9")
    await hand.deploy(_PROJECT)


def _beside(verb: str, mine: list[Took], other: list[float]) -> list[Figure]:
    bar = f"within {_SHARE - 1:.0%} and {_SPARE:g} s of by hand"
    told, hand = statistics.median(one.told for one in mine), statistics.median(other)
    shown = statistics.median(one.shown for one in mine)
    held = told <= _SHARE * hand + _SPARE
    return [
        Figure(what=f"{verb}, until the room is told", unit="s", opsbot=told, other=hand, bar=bar, held=held),
        Figure(what=f"{verb}, until its report is edited for the last time", unit="s", opsbot=shown),
    ]


async def long_log(folder: Path, sizes: Sizes) -> list[Figure]:
    """Deploy something whose build says very much; look at the bot's memory and CPU, and at its edits."""
    async with _world(folder, pace=_PACE) as world:
        world.release("2.0")
        await world.ask("deployer", f"!deploy {_PROJECT}")
        said = len(await world.stage.people["member"].events(world.stage.room_id))
        world.release("2.1", test=f"for number in range({sizes.lines}):\n    print('line', number, 'of a long log')\n")
        before, used = resident(world.stage.pid), cpu_seconds(world.stage.pid)
        took, most = await _watched(lambda: world.ask("deployer", f"!deploy {_PROJECT}"), world.stage.pid)
        growth, cpu = most - before, cpu_seconds(world.stage.pid) - used
        events = await world.stage.people["member"].events(world.stage.room_id)
    edits = _last_report(events)
    gap = min((after - before for before, after in pairwise(edits)), default=None)
    told = f"{sizes.lines} lines in {took.shown:.0f} s"
    return [
        Figure(what=f"memory, {told}", unit="MB more", opsbot=growth, bar=f"under {_GROWTH:g}", held=growth < _GROWTH),
        Figure(what="CPU of the bot", unit="s", opsbot=cpu),
        Figure(what="messages sent for it, edits included", unit="messages", opsbot=len(events) - said - 1),
        Figure(what="edits of the report", unit="edits", opsbot=len(edits)),
        Figure(
            what="least gap between two edits",
            unit="s",
            opsbot=gap,
            bar=f"at least {_GAP:g}",
            # An edit or none would prove nothing.
            held=gap is not None and gap >= _GAP,
        ),
    ]


async def _watched(work: Callable[[], Awaitable[Took]], pid: int) -> tuple[Took, float]:
    most = 0.0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, resident(pid))
            await asyncio.sleep(_LOOK)

    watching = asyncio.create_task(watch())
    try:
        return await work(), most
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def _last_report(events: list[Any]) -> list[float]:
    """Return when the message that was edited last was edited, in seconds."""
    edits: dict[str, list[float]] = {}
    last = ""
    for event in events:
        relation = event["content"].get("m.relates_to", {})
        if relation.get("rel_type") == "m.replace":
            last = relation["event_id"]
            edits.setdefault(last, []).append(event["origin_server_ts"] / 1000)
    return edits.get(last, [])
