"""`make attack`: try everything against the running bot and its host, and print the table. The bar: none passes."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.attack import consent, controls
from tests.attack.attempt import HEAD, Attempt, Result, attempted, report
from tests.attack.controls import Control
from tests.attack.table import BY_NIX, BY_THE_HOST, BY_THE_ROOM, LAST
from tests.attack.watch import Watch
from tests.attack.world import World, opened


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass
class Run:
    """All attempts whose names have the WANTED words, in two lanes: before the bot and its host, and before Nix."""

    world: World
    wanted: str
    results: list[Result] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def all(self) -> int:
        """Make them all; return the exit status."""
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._by_the_room())
            lanes.create_task(self._by_nix())
        for fault in self.faults:
            _say(fault)
        return report(self.results, _say) or bool(self.faults)

    async def _by_the_room(self) -> None:
        watch = self.world.watch()
        await self._controlled(controls.FIRST, watch)
        await self._tried(BY_THE_ROOM, watch)
        await self._controlled(controls.UNLOCKED, watch)
        if any(map(self._is_wanted, (*BY_THE_HOST[:3], LAST[0]))):
            await consent.expiring(self.world)
        await self._tried(BY_THE_HOST, watch)
        await self._tried(LAST, watch)
        await self._controlled(controls.LAST, watch)

    async def _by_nix(self) -> None:
        async with self.world.building() as watch:
            await watch.changes()
            await self._tried(BY_NIX, watch)
            await self._controlled(controls.BY_NIX, watch)

    async def _controlled(self, some: Iterable[Control], watch: Watch) -> None:
        """Look that it means something when the others are refused; but not for a few of them."""
        for control in some if not self.wanted else ():
            fault = await control.fault(self.world, watch)
            self.faults += [f"CONTROL: {control.what}: {fault}"] if fault else []
            _say(f"{'FAILED' if fault else 'control'} | {control.what}")
        await watch.changes()

    def _is_wanted(self, attempt: Attempt) -> bool:
        return self.wanted in f"{attempt.kind}: {attempt.what}"

    async def _tried(self, attempts: Iterable[Attempt], watch: Watch) -> None:
        for attempt in attempts:
            if self._is_wanted(attempt):
                self.results.append(await attempted(attempt, self.world, watch))
                _say(self.results[-1].row)


async def _main(wanted: str) -> int:
    with tempfile.TemporaryDirectory(prefix="opsbot-attack-") as folder:
        async with opened(Path(folder)) as world:
            _say(HEAD)
            return await Run(world, wanted).all()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("wanted", nargs="?", default="", help="only attempts whose kind and name have these words")
    sys.exit(asyncio.run(_main(parser.parse_args().wanted)))
