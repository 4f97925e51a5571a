"""A process that deals faults in one world: it reads them line by line, and writes what became of each."""

import asyncio
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from opsbot.demo.speaker import Line, lines_of
from tests.faults.debian import Booted
from tests.faults.ground import Ground
from tests.faults.plan import Fault, Where
from tests.faults.standin import Standin
from tests.faults.story import Outcome, Story
from tests.system.debian import own_network

#: A fault that hit nothing is dealt so often again, at once when its moment comes.
_AGAIN = 2
#: Tries to build a world, and seconds between them.
_TRIES, _PAUSE = 3, 10.0
_NEW_MOUNTS = 0x20000

Open = Callable[[Path], AbstractAsyncContextManager[Ground]]
WORLDS: dict[Where, Open] = {Where.STANDIN: Standin.open, Where.DEBIAN: Booted.open}


def own_mounts() -> None:
    """Leave the machine's mounts: what is mounted from now on is gone with this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) != 0:
        raise OSError(ctypes.get_errno(), "mounts of our own cannot be made")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class Lane:
    """Deals faults in worlds of one kind, one world after the other: a violation is the last thing in a world."""

    def __init__(self, where: Where, logs: Path) -> None:
        self._open = WORLDS[where]
        self._logs = logs
        self._world: AbstractAsyncContextManager[Ground] | None = None
        self._ground: Ground | None = None
        self._folder = Path()
        self._stories = 0

    async def deal(self, fault: Fault) -> Outcome:
        """Deal one fault; whatever goes wrong is a violation."""
        try:
            outcome = await self._told(fault)
        except Exception:  # noqa: BLE001 - the campaign goes on, and this fault has failed
            outcome = Outcome(fault=fault, struck=True, violations=(traceback.format_exc(limit=-4),))
        if outcome.violations:
            outcome = replace(outcome, logs=str(self._keep_logs(outcome)))
            await self.close()
        return outcome

    async def _told(self, fault: Fault) -> Outcome:
        for attempt in range(_AGAIN + 1):
            aimed = replace(fault, after=fault.after / 2**attempt)
            self._stories += 1
            outcome = await Story(await self._there(), aimed, f"{fault.number}.{self._stories}").run()
            if outcome.struck or outcome.violations:
                break
        return replace(outcome, fault=fault)

    async def _there(self) -> Ground:
        if self._ground is None:
            self._ground = await self._opened()
        return self._ground

    async def _opened(self) -> Ground:
        """Build a world; on a machine that is very busy it may need more than one try."""
        for tries_left in reversed(range(_TRIES)):
            self._folder = Path(tempfile.mkdtemp(prefix="opsbot-faults-"))
            world = self._open(self._folder)
            try:
                ground = await world.__aenter__()
            except Exception:
                shutil.rmtree(self._folder, ignore_errors=True)
                if not tries_left:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                self._world = world
                return ground
        raise AssertionError

    def _keep_logs(self, outcome: Outcome) -> Path:
        """Keep what tells of a violation: logs, the helper's files, databases; no store, and no keys."""
        kept = self._logs / f"fault-{outcome.fault.number}"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        (kept / "violations").write_text("\n".join([str(outcome.fault), outcome.told, *outcome.violations, ""]))
        if self._ground is not None:
            (kept / "room").write_text("\n".join(map(_shown, lines_of(self._ground._events))))
            for name, path in self._ground.evidence().items():
                if path.is_dir():
                    shutil.copytree(path, kept / name, symlinks=True, ignore_dangling_symlinks=True)
                elif path.exists():
                    shutil.copyfile(path, kept / name)
        return kept

    async def close(self) -> None:
        """Take the world away."""
        world, self._world, self._ground = self._world, None, None
        if world is not None:
            await world.__aexit__(None, None, None)
            shutil.rmtree(self._folder, ignore_errors=True)


def _shown(line: Line) -> str:
    return f"{line.event_id} in {line.thread or 'the room'}, {line.sender}: {line.body}"


@asynccontextmanager
async def _lane(where: Where, logs: Path) -> AsyncIterator[Lane]:
    lane = Lane(where, logs)
    try:
        yield lane
    finally:
        await lane.close()


async def run(where: Where, logs: Path) -> None:
    """Deal what stands on standard input; write an outcome a line."""
    # What is started here must neither write to the campaign's pipe nor keep it open.
    answers = os.dup(1)
    os.dup2(2, 1)
    own_mounts()
    if where is Where.DEBIAN:
        own_network()
    loop = asyncio.get_running_loop()
    async with _lane(where, logs) as lane:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            outcome = await lane.deal(Fault.of(json.loads(line)))
            os.write(answers, json.dumps(outcome.as_json(), ensure_ascii=False).encode() + b"\n")
