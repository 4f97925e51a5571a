"""Child processes that cannot outlive the machine: started, watched by a descriptor, and ended with all they began."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none gets away."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: str = "/",
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own. Raises OSError if it cannot be executed."""
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=directory,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 -- the process has one thread; only the kernel can promise this
    )


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a child; return its exit status, or minus the signal."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    try:
        loop.add_reader(descriptor, done.set)
        await done.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


@dataclass(frozen=True)
class Seen:
    """A process as /proc shows it."""

    pid: int
    state: str
    parent: int
    session: int


def everything() -> list[Seen]:
    """Return all processes of the machine that we run on."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                words = (path / "stat").read_text().rpartition(")")[2].split()
                found.append(Seen(int(path.name), words[0], int(words[1]), int(words[3])))
    return [one for one in found if one.state not in "ZX"]


def of_session(session: int) -> list[int]:
    """Return the processes of a session, which is what a unit's control group holds."""
    return [one.pid for one in everything() if one.session == session]


def orphans(mark: str) -> list[int]:
    """Return the processes that fell to us when their parents ended and that have MARK in their environment."""
    found = []
    for one in everything():
        if one.parent == os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in Path(f"/proc/{one.pid}/environ").read_bytes():
                    found.append(one.pid)
    return found


def descendants(ancestor: int) -> list[int]:
    """Return the processes that ANCESTOR began, directly or not."""
    seen = everything()
    found = {ancestor}
    while more := {one.pid for one in seen if one.parent in found} - found:
        found |= more
    return sorted(found - {ancestor})


def reap() -> None:
    """Collect the exit statuses of children that nobody waits for any more."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes; those that have ended do not mind."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
