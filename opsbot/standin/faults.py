"""What a test wants to go wrong, once: a file that the next program of that name finds and takes away."""

import json
import sys
import time
from collections.abc import Sequence

from opsbot.standin.paths import Layout, write


def put(
    layout: Layout, name: str, *, status: int, says: str = "", argument: str | None = None, after: float = 0
) -> None:
    """Let the next NAME (called with ARGUMENT, if one is given) wait AFTER seconds, speak and end with STATUS."""
    wanted = {"status": status, "says": says, "argument": argument, "after": after}
    write(layout.faults / f"{name}.json", json.dumps(wanted))


def take(layout: Layout, name: str, arguments: Sequence[str] = ()) -> int | None:
    """Return the exit status that somebody put there for NAME, if anybody did."""
    path = layout.faults / f"{name}.json"
    try:
        wanted = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    if wanted["argument"] not in (None, *arguments):
        return None
    path.unlink()
    time.sleep(wanted["after"])
    sys.stderr.write(wanted["says"])
    status: int = wanted["status"]
    return status
