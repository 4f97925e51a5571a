"""Scenarios of plain talk: round trips, bursts, commands while the bot is away, kill -9."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.figures import Figure
from bench.party import BOTH, OPSBOT, PEOPLE, PLAIN, Party, party
from bench.process import cpu_seconds, resident
from bench.sizes import Sizes
from bench.tally import Tally, percentile
from opsbot.demo.homeserver import Homeserver

Parties = dict[str, Party]
#: Synapse's cache of /sync answers: by default, and off.
CACHES = {"2m": "cache on", "0s": "cache off"}
_SLOWER, _MEMORY = 10.0, 110.0
_EXACTLY = "each exactly once"


@asynccontextmanager
async def _stage(folder: Path, cache: str) -> AsyncIterator[Parties]:
    async with (
        Homeserver(folder / "synapse", sync_cache=cache) as homeserver,
        party(OPSBOT, folder / "opsbot", homeserver) as opsbot,
        party(PLAIN, folder / "plain", homeserver) as plain,
    ):
        both = {OPSBOT: opsbot, PLAIN: plain}
        for one in both.values():
            await one.begin()
        yield both


async def round_trip(folder: Path, sizes: Sizes) -> list[Figure]:
    """Measure the time from a command to its answer, as its sender sees it, in rounds that alternate."""
    figures: list[Figure] = []
    for cache, label in CACHES.items():
        took: dict[str, list[float]] = {kind: [] for kind in BOTH}
        async with _stage(folder / cache, cache) as both:
            for _ in range(sizes.rounds):
                for kind, one in both.items():
                    took[kind] += [1000 * await one.round_trip() for _ in range(sizes.trips // sizes.rounds)]
        for share in (50, 95, 99):
            mine, other = (percentile(took[kind], share / 100) for kind in BOTH)
            bar = {"bar": f"at most {_SLOWER:g} more", "held": mine - other <= _SLOWER} if share == 50 else {}  # noqa: PLR2004 - the median
            figures.append(Figure(what=f"p{share}, {label}", unit="ms", opsbot=mine, other=other, **bar))  # type: ignore[arg-type]
    return figures


async def burst(folder: Path, sizes: Sizes) -> list[Figure]:
    """Have five people talk at once in five rooms; look at answers, CPU and memory afterwards."""
    figures: list[Figure] = []
    for cache, label in CACHES.items():
        counted: dict[str, Tally] = {}
        seconds: dict[str, float] = {}
        cpu: dict[str, float] = {}
        rest: dict[str, float] = {}
        memory: dict[str, float] = {}
        async with _stage(folder / cache, cache) as both:
            for kind, one in both.items():
                rest[kind] = resident(one.bot.pid)
                used, began = cpu_seconds(one.bot.pid), time.monotonic()
                said = await crowd(one, sizes.burst)
                await one.quiet(said)
                seconds[kind] = max(one.heard.values()) - began
                cpu[kind], memory[kind] = cpu_seconds(one.bot.pid) - used, resident(one.bot.pid)
                counted[kind] = await one.count(said)
        figures += [
            _exact(sizes.burst, f"commands, {label}", counted),
            Figure(what=f"until the last answer, {label}", unit="s", opsbot=seconds[OPSBOT], other=seconds[PLAIN]),
            Figure(what=f"CPU of the bot, {label}", unit="s", opsbot=cpu[OPSBOT], other=cpu[PLAIN]),
            _small(f"resident memory at rest, {label}", rest),
            _small(f"resident memory afterwards, {label}", memory),
        ]
    return figures


def _small(what: str, memory: dict[str, float]) -> Figure:
    mine, other = memory[OPSBOT], memory[PLAIN]
    return Figure(what=what, unit="MB", opsbot=mine, other=other, bar=f"under {_MEMORY:g}", held=mine < _MEMORY)


async def away(folder: Path, sizes: Sizes) -> list[Figure]:
    """Say commands while the bot is down, after some that it had answered; count both once it is back."""
    figures: list[Figure] = []
    for cache, label in CACHES.items():
        counted: dict[str, Tally] = {}
        again: dict[str, Tally] = {}
        async with _stage(folder / cache, cache) as both:
            for kind, one in both.items():
                old = await crowd(one, sizes.away)
                await one.quiet(old)
                await one.bot.stop()
                said = {await one.say(number % PEOPLE, 0) for number in range(sizes.away)}
                await one.bot.start()
                await one.quiet(said)
                counted[kind], again[kind] = await one.count(said), await one.count(old)
        figures.append(_exact(sizes.away, f"commands while it is down, {label}", counted))
        figures.append(_exact(sizes.away, f"that it had answered before, {label}", again))
    return figures


async def kill(folder: Path, sizes: Sizes) -> list[Figure]:
    """Kill the bot in the middle of a burst, at another moment each time, and start it again after the burst."""
    figures: list[Figure] = []
    for cache, label in CACHES.items():
        counted = {kind: Tally() for kind in BOTH}
        async with _stage(folder / cache, cache) as both:
            for attempt in range(sizes.kills):
                for kind, one in both.items():
                    share = (attempt + 1) / (sizes.kills + 1)
                    counted[kind] += await _killed(one, sizes.kill_burst, round(sizes.kill_burst * share))
        said = sizes.kills * sizes.kill_burst
        figures.append(_exact(said, f"commands in {sizes.kills} bursts with a kill in each, {label}", counted))
    return figures


async def _killed(one: Party, size: int, answers: int) -> Tally:
    before = len(one.heard)
    talking = asyncio.create_task(crowd(one, size))
    await one.until_heard(before + answers)
    await one.bot.kill()
    said = await talking
    await one.begin()
    await one.quiet(said)
    return await one.count(said)


async def crowd(one: Party, size: int) -> set[int]:
    """Have everybody talk at once, each in all rooms by turns; return the numbers of what was said."""

    async def talk(person: int) -> set[int]:
        return {await one.say(person, (person + turn) % len(one.rooms)) for turn in range(size // PEOPLE)}

    return set().union(*await asyncio.gather(*map(talk, range(PEOPLE))))


def _exact(asked: int, what: str, counted: dict[str, Tally]) -> Figure:
    return Figure(
        what=f"{asked} {what}",
        unit="once / twice / never",
        opsbot=counted[OPSBOT],
        other=counted[PLAIN],
        bar=_EXACTLY,
        held=counted[OPSBOT].clean(asked),
    )
