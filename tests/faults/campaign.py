"""A campaign: faults are handed to lanes, processes with a world each, and every outcome is written down at once."""

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from opsbot.model import Json
from tests.faults.plan import Fault, Where, campaign
from tests.faults.story import Outcome

_TOP = Path(__file__).parents[2]
#: How many lanes there are of each world.
LANES = {Where.STANDIN: 2, Where.DEBIAN: 1}
#: A line may hold a traceback, or a whole room.
_LONGEST = 2**24
#: Seconds that a lane may take for one fault, and to take its world away.
_PATIENCE, _END = 900.0, 60.0

Say = Callable[[str], None]


def code() -> str:
    """Name the code that the faults are dealt to: what was found of another says nothing of this one."""
    paths = sorted(path for part in ("opsbot", "plugins", "nix") for path in (_TOP / part).rglob("*") if path.is_file())
    known = (path for path in paths if path.suffix != ".pyc")
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in known)).hexdigest()[:12]


def read(file: Path, **run: Json) -> dict[int, Outcome]:
    """Return the outcomes that stand in a file from an earlier RUN with the same code, seed and pause, by number."""
    found: dict[int, Outcome] = {}
    lines = file.read_text().splitlines() if file.exists() else []
    for line in lines:
        with suppress(ValueError):  # the last line of a run that was killed may be half of one
            said = json.loads(line)
            if {key: said.pop(key) for key in run} == run:
                found[said["fault"]["number"]] = Outcome.of(said)
    return found


@dataclass
class Campaign:
    """The first faults of a SEED, or ONLY some of them. Outcomes are added to FILE; what stands there is done."""

    seed: int
    pause: float
    faults: int
    only: Sequence[int]
    file: Path
    say: Say
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "tests.faults")
    lanes: dict[Where, int] = field(default_factory=lambda: dict(LANES))

    def __post_init__(self) -> None:
        #: What two runs must have in common for the one to go on where the other was.
        self.which: dict[str, Json] = {"seed": self.seed, "pause": self.pause, "code": code()}

    def wanted(self) -> list[Fault]:
        """Return the faults that are meant."""
        count = max(self.only) if self.only else self.faults
        faults = list(islice(campaign(self.seed, pause=self.pause), count))
        return [one for one in faults if one.number in self.only] if self.only else faults

    async def run(self) -> list[Outcome]:
        """Deal what is not done yet; return all outcomes, by number."""
        wanted = self.wanted()
        # What is asked for by its number is wanted again.
        known = {} if self.only else read(self.file, **self.which)
        done = {one.number: known[one.number] for one in wanted if one.number in known}
        if done:
            self.say(f"{len(done)} faults are in {self.file} already; going on with the others.")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        queues = {
            where: deque(one for one in wanted if one.where is where and one.number not in done) for where in Where
        }
        async with asyncio.TaskGroup() as tasks:
            for where, queue in queues.items():
                for _ in range(min(self.lanes[where], len(queue))):
                    tasks.create_task(self._lane(where, queue, done))
        return [done[number] for number in sorted(done)]

    async def _lane(self, where: Where, queue: deque[Fault], done: dict[int, Outcome]) -> None:
        while queue:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                "--lane",
                where.value,
                str(self.file.parent / "logs"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=_TOP,
                env={**os.environ, "PYTHONPATH": str(_TOP)},
                limit=_LONGEST,
                start_new_session=True,
            )
            try:
                await self._feed(process, queue, done)
            finally:
                await _ended(process)

    async def _feed(self, process: asyncio.subprocess.Process, queue: deque[Fault], done: dict[int, Outcome]) -> None:
        """Hand faults to a lane until there are none, or it is gone: then the fault that it had has failed."""
        assert process.stdin is not None
        assert process.stdout is not None
        while queue:
            fault = queue.popleft()
            process.stdin.write(json.dumps(fault.as_json()).encode() + b"\n")
            line = b""
            with suppress(TimeoutError, ConnectionError):
                line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
            why = f"its lane said nothing for {_PATIENCE:g} s, or ended (status {process.returncode})"
            lost = Outcome(fault=fault, struck=True, violations=(why,))
            outcome = Outcome.of(json.loads(line)) if line.endswith(b"\n") else lost
            done[fault.number] = outcome
            self._note(outcome)
            if outcome is lost:
                return

    def _note(self, outcome: Outcome) -> None:
        with self.file.open("a") as file:
            said = {**self.which, **outcome.as_json()}
            file.write(json.dumps(said, ensure_ascii=False) + "\n")
        mark = "" if outcome.struck else "hit nothing: "
        self.say(
            f"{outcome.fault.number:>4}  {outcome.seconds:>5.1f} s  {mark}{outcome.fault}: {outcome.told or 'no end'}"
        )
        for words in outcome.violations:
            self.say(f"      VIOLATION: {words}")
        if outcome.violations:
            number = outcome.fault.number
            again = f"make faults SEED={self.seed} PAUSE={self.pause:g} ONLY={number}"
            self.say(f"      Repeat it with: {again}. Its logs: {outcome.logs or 'none'}")


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Let a lane take its world away; one that does not is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _END)
    except TimeoutError:
        # With what it has started and what does not end with it.
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
