"""One fault from beginning to end: work is asked for, the fault is dealt, and the end is looked at from outside."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.ground import AWAY, Ground, MissedError
from tests.faults.oracle import Books, End, Host, is_over, judge
from tests.faults.plan import Fault, Work
from tests.faults.seen import Progress

#: Seconds that a story may take to come to its end once the fault is over, and between two looks.
PATIENCE = 180.0
_LOOK = 0.4
#: Seconds in which what comes twice comes a second time.
_AFTERMATH = 1.0
#: Seconds between two commands of somebody who talks with the bot meanwhile.
_TALK = 1.5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a fault: whether it hit anything, what the room was told, and what was not as it must be."""

    fault: Fault
    struck: bool
    told: str = ""
    violations: tuple[str, ...] = ()
    seconds: float = 0.0
    #: Where the logs of a violation are.
    logs: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a value of JSON."""
        return {**vars(self), "fault": self.fault.as_json(), "violations": list(self.violations)}

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Outcome":
        """Read what `as_json` returned."""
        return cls(**{**said, "fault": Fault.of(said["fault"]), "violations": tuple(said["violations"])})


@dataclass
class Story:
    """What is done and said about one fault."""

    ground: Ground
    fault: Fault
    #: Names the project's releases, and what is said in the room: no two are alike.
    mark: str
    _said: int = field(default=0)

    async def run(self) -> Outcome:
        """Tell the story; raises only what the world itself raises."""
        began = time.monotonic()
        end = await self._begun()
        await self.ground.before(self.fault)
        progress = Progress(self.ground.state)
        async with self._talk():
            end = replace(end, said=await self._ask(self.fault.work))
            try:
                struck = await self.ground.strike(self.fault, progress)
            except MissedError:
                struck = False
            end = await self._over(end)
        await self.ground.after(self.fault)
        end = await self._over(await self._aftermath(end))
        seconds = round(time.monotonic() - began, 1)
        return Outcome(fault=self.fault, struck=struck, told=end.told, violations=tuple(judge(end)), seconds=seconds)

    async def _begun(self) -> End:
        """See how everything is, and that there is something to do."""
        host = await self.ground.host()
        if self.fault.work is Work.ROLLBACK and not _earlier(host):
            await self._deploy_first(host)
            host = await self.ground.host()
        commit = self.ground.release(f"2.{self.mark}") if self.fault.work is Work.DEPLOY else ""
        end = _nothing_yet(self.fault.work, host)
        return replace(end, commit=commit, generation=max(_earlier(host), default=0))

    async def _deploy_first(self, host: Host) -> None:
        commit = self.ground.release(f"1.{self.mark}")
        end = replace(_nothing_yet(Work.DEPLOY, host), commit=commit)
        end = await self._over(replace(end, said=await self._ask(Work.DEPLOY)))
        if not end.put:
            raise RuntimeError(f"The world was not well before fault {self.fault.number}: {end.told or 'no end'}")

    async def _ask(self, work: Work) -> str:
        words = "!deploy hello-bot" if work is Work.DEPLOY else "!rollback"
        return await self.ground.say(self.ground.deployer, words)

    @asynccontextmanager
    async def _talk(self) -> AsyncIterator[None]:
        """Have somebody talk with the bot until the story is over."""
        await self._hello()
        talking = asyncio.create_task(self._chat())
        try:
            yield
        finally:
            talking.cancel()
            await asyncio.wait([talking])
            await self._hello()

    async def _chat(self) -> None:
        while True:
            await asyncio.sleep(_TALK)
            await self._hello()

    async def _hello(self) -> None:
        self._said += 1
        with suppress(*AWAY):
            await self.ground.say(self.ground.member, f"!hello {self.mark}-{self._said}")

    async def _over(self, end: End) -> End:
        """Wait until nothing more is to come, or the patience is over; return how everything is then."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            end = replace(end, lines=await self.ground.lines())
            if end.told:
                end = await self._looked(end)
                if is_over(end):
                    return end
            await asyncio.sleep(_LOOK)
        return await self._looked(end)

    async def _aftermath(self, end: End) -> End:
        await asyncio.sleep(_AFTERMATH)
        return await self._looked(end)

    async def _looked(self, end: End) -> End:
        # The room first: what was said and answered since is no fault of the books.
        lines, after = await self.ground.lines(), await self.ground.host()
        return replace(end, lines=lines, after=after, books=self.ground.books())


def _earlier(host: Host) -> Sequence[int]:
    """Return the generations that a rollback could go to."""
    return [number for number in host.proved if number < host.current and number in host.generations]


def _nothing_yet(work: Work, host: Host) -> End:
    return End(work=work, said="", before=host, after=host, lines=(), books=Books())
