"""Scenarios of beginning: the start with few and many rooms, and the return of a homeserver."""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path

from bench.figures import Figure
from bench.party import BOTH, OPSBOT, PLAIN, Party, party
from bench.sizes import Sizes
from opsbot.demo.homeserver import Homeserver

_TIMES, _BACK = 1.3, 2.0
#: Seconds that a bot has to answer the rest before it is stopped.
_CALM = 1.0


async def start(folder: Path, sizes: Sizes) -> list[Figure]:
    """Measure from the start of the process to the first answer: with nothing known, and again."""
    first: dict[tuple[str, int], list[float]] = {}
    again: dict[tuple[str, int], list[float]] = {}
    counts = (1, sizes.rooms)
    async with Homeserver(folder / "synapse") as homeserver, AsyncExitStack() as stack:
        parties: dict[tuple[str, int], Party] = {}
        for number, (rooms, kind) in enumerate(product(counts, BOTH)):
            opened = party(kind, folder / str(number), homeserver, people=1, rooms=rooms, chatter=sizes.chatter)
            parties[kind, rooms] = await stack.enter_async_context(opened)
        # An old talk: what is younger than a command may be is looked through at a start, and that is another figure.
        await asyncio.sleep(sizes.silence)
        for _ in range(sizes.starts):
            for key, one in parties.items():
                one.forget()
                first.setdefault(key, []).append(await _start(one))
                again.setdefault(key, []).append(await _start(one))
    return [*_rows("first start", first, counts), *_rows("start again", again, counts)]


async def _start(one: Party) -> float:
    began = time.monotonic()
    await one.bot.start()
    took = await one.first_answer() - began
    await asyncio.sleep(_CALM)
    await one.bot.stop()
    return took


def _rows(label: str, took: dict[tuple[str, int], list[float]], counts: tuple[int, int]) -> list[Figure]:
    few, many = counts
    median = {key: statistics.median(values) for key, values in took.items()}
    return [
        Figure(what=f"{label}, {few} room", unit="s", opsbot=median[OPSBOT, few], other=median[PLAIN, few]),
        Figure(
            what=f"{label}, {many} rooms",
            unit="s",
            opsbot=median[OPSBOT, many],
            other=median[PLAIN, many],
            bar=f"at most {_TIMES} times that of {few} room",
            held=median[OPSBOT, many] <= _TIMES * median[OPSBOT, few],
        ),
    ]


async def outage(folder: Path, sizes: Sizes) -> list[Figure]:
    """Stop the homeserver for a while; measure from its first answer to the first command that is answered."""
    took: dict[str, list[float]] = {kind: [] for kind in BOTH}
    async with (
        Homeserver(folder / "synapse") as homeserver,
        party(OPSBOT, folder / "opsbot", homeserver) as opsbot,
        party(PLAIN, folder / "plain", homeserver) as plain,
    ):
        both = {OPSBOT: opsbot, PLAIN: plain}
        for one in both.values():
            await one.begin()
        for _ in range(sizes.outages):
            await homeserver.stop()
            await asyncio.sleep(sizes.outage)
            await homeserver.start()
            back = time.monotonic()
            heard = await asyncio.gather(*(one.first_answer() for one in both.values()))
            for kind, at in zip(both, heard, strict=True):
                took[kind].append(at - back)
    worst = max(took[OPSBOT])
    return [
        Figure(
            what=f"back after {sizes.outage:g} s, the worst of {sizes.outages}",
            unit="s",
            opsbot=worst,
            other=max(took[PLAIN]),
            bar=f"within {_BACK:g}",
            held=worst <= _BACK,
        )
    ]
