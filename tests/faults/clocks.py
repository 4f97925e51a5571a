"""Clocks of single processes that are wrong, by libfaketime. Standard library only: the helper's wrapper uses it."""

import os
import runpy
import select
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import SupportsIndex

_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")


def library() -> Path | None:
    """Return where libfaketime is, if it is."""
    paths = (Path(folder, "faketime/libfaketime.so.1") for folder in _LIBRARIES)
    return next((path for path in paths if path.exists()), None)


def fake_clock(file: Path) -> Mapping[str, str]:
    """Return the environment of a program whose clock is off by what stands in a file; time passes as it does."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _sleep(seconds: float | SupportsIndex, /) -> None:
    select.select([], [], [], float(seconds))


def sleep_in_spite_of_it() -> None:
    """Let Python's sleep be another call of the system's: libfaketime breaks the one that it makes since 3.11."""
    time.sleep = _sleep


if __name__ == "__main__":
    # A Python module with a wrong clock; what it runs has the right one.
    sleep_in_spite_of_it()
    del os.environ["LD_PRELOAD"]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
