"""Run a command in control groups of its own: `launch.py NAME COMMAND …`. Standard library only."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

_DEATH_SIGNAL = 1


def groups(name: str) -> Iterator[Path]:
    """Yield the control groups of a name, in every hierarchy that systemd uses."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            yield Path(where) / name


def main() -> None:
    """Go into the groups and become the command."""
    _, name, *command = sys.argv
    # When those who booted it are killed, it is told to shut down.
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
    for group in groups(name):
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))
    os.execvp(command[0], command)  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main()
