"""The one place that runs commands: argument lists only, a time limit on each, nothing left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from opsbot.onhost.errors import HostError, StoppedError

#: Bytes of output that are kept; a command that says more is not one whose words are read.
KEPT = 4 * 1024 * 1024
_POLL = 0.1
_MERCY = 5.0
TIMED_OUT = -1000


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended: its exit code (TIMED_OUT when it had to be killed) and what it said."""

    argv: tuple[str, ...]
    code: int
    out: str = ""
    err: str = ""

    @property
    def last_line(self) -> str:
        """Return the last line that says something."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1][:500] if lines else f"{Path(self.argv[0]).name} ended with {self.code} and said nothing."


@dataclass(frozen=True, kw_only=True)
class Account:
    """Another user, as whom a command runs."""

    user: int
    group: int

    def asked(self) -> dict[str, Any]:
        """Return what Popen is told; only root can become somebody else, and only root must."""
        return {"user": self.user, "group": self.group, "extra_groups": []} if os.geteuid() == 0 else {}


def must(done: Done, code: str = "failed") -> str:
    """Return what a command said; when it failed, its last line is the error."""
    if done.code == TIMED_OUT:
        raise HostError(code, f"{Path(done.argv[0]).name} took too long.")
    if done.code != 0:
        raise HostError(code, done.last_line)
    return done.out


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_MERCY)
            return


def _wait(process: subprocess.Popen[bytes], within: float, stop: Callable[[], bool]) -> int:
    deadline = time.monotonic() + within
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL)
        if stop():
            raise StoppedError
        if time.monotonic() > deadline:
            return TIMED_OUT


def _memory() -> IO[bytes]:
    """Open a file that no disk holds: what goes back must run where all disks are full."""
    return os.fdopen(os.memfd_create("opsbot"), "w+b")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(KEPT).decode("utf-8", "replace")


def run(
    argv: Sequence[str],
    *,
    within: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    stdin: str = "",
    stop: Callable[[], bool] = lambda: False,
    account: Account | None = None,
) -> Done:
    """Run one command WITHIN so many seconds, its output kept or appended to LOG; never raises for its exit code.

    ENV is added to this process's own. STOP is asked ten times a second; when it says yes, StoppedError is raised.
    With an ACCOUNT the command runs as that user, in no group but its own, and sees ENV alone.
    """
    with _memory() as given, _memory() as out, _memory() as err:
        given.write(stdin.encode())
        given.seek(0)
        target = log.open("ab") if log else None
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={**({} if account else os.environ), **(env or {})},
                stdin=given,
                stdout=target or out,
                stderr=target or err,
                start_new_session=True,
                **(account.asked() if account else {}),
            )
        except OSError as error:
            raise HostError("failed", f"{argv[0]} cannot be run on this host: {error.strerror}.") from error
        finally:
            if target:
                target.close()
        try:
            code = _wait(process, within, stop)
        finally:
            if process.poll() is None:
                _end(process)
        return Done(argv=tuple(argv), code=code, out=_text(out), err=_text(err))
