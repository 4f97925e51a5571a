"""A log as it grows, by byte offset: a reader that lost its link goes on where it was."""

import time
from collections.abc import Callable
from typing import Any

from opsbot.onhost.config import Config
from opsbot.onhost.state import folders, job_state

#: Bytes of the log in one line of the answer; each may become six (`\u0000`), and a line must stay below 64 KiB.
CHUNK = 8 * 1024
_BEAT = 5.0
_POLL = 0.2
#: While a part waits for the bot's word, the bot must hear of it at once.
_AT_WORK = ("running", "arming", "activating", "proving", "committing", "reverting")


def cut(data: bytes) -> int:
    """Return how many of the bytes to send, so that no character at their end is torn apart."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte < 0x80:  # noqa: PLR2004 - plain ASCII
            break
        if byte >= 0xC0:  # noqa: PLR2004 - the first byte of a character of two to four
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4  # noqa: PLR2004 - see above
            return len(data) - back if back < need and len(data) > back else len(data)
    return len(data)


def at_work(part: dict[str, Any] | None) -> bool:
    """Say whether the host works on a part of a job, and will say more of it by itself."""
    return part is not None and part["status"] in _AT_WORK


def follow(config: Config, arguments: dict[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Send a log from an offset on until its part has ended, waits for the bot, or the time is up; return the state."""
    job, log, offset = arguments["job"], arguments["log"], arguments["offset"]
    place = folders(config)
    path = {"prepare": place.build, "activate": place.job, "publish": place.publication}[log](job) / "log"
    now = time.monotonic()
    deadline, beat = now + arguments["seconds"], now + _BEAT
    while True:
        state = job_state(config, job)
        more, late = at_work(state[log]), time.monotonic() > deadline
        while data := _read(path, offset):
            size = cut(data)
            emit({"offset": offset, "next": offset + size, "text": data[:size].decode("utf-8", "replace")})
            offset += size
            if late := time.monotonic() > deadline:
                break
        if not more or late:
            return state
        if time.monotonic() > beat:
            emit({"beat": time.time()})
            beat = time.monotonic() + _BEAT
        time.sleep(_POLL)


def _read(path: Any, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return bytes(file.read(CHUNK))
    except FileNotFoundError:
        return b""
