"""What a managed host answers (docs/host-protocol.md): lines that become values, or errors with a sentence."""

import json
import os
from collections.abc import Mapping

from opsbot.errors import HostError, HostUnreachableError
from opsbot.model import Json

#: The version of the protocol that the bot speaks.
PROTOCOL = 1


class NotThatHostError(HostUnreachableError):
    """Something else answers than the managed host that we know, and so nobody knows what that one does.

    `code` is `host-key` or `no-helper`. It may pass, as when a deploy that broke it is undone; it is never "failed".
    """

    def __init__(self, sentence: str = "", *, code: str) -> None:
        super().__init__(sentence)
        self.code = code


def parsed(line: bytes) -> dict[str, Json] | None:
    """Return what a line of the protocol says; None when it is none. Bytes that are not UTF-8 are replaced."""
    try:
        said = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and not {"ok", "text", "beat"}.isdisjoint(said) else None


def result(said: Mapping[str, Json]) -> Json:
    """Return the result in a last line. Raises HostError, with the host's own code and sentence, when it said no."""
    if said.get("ok") is True:
        return said.get("result")
    error = said.get("error")
    error = error if isinstance(error, dict) else {}
    raise HostError(str(error.get("message") or ""), code=str(error.get("code") or "failed"))


def lost(host: str, why: str) -> HostUnreachableError:
    """Return the error for a host of which nobody knows what it does."""
    return HostUnreachableError(f"{host} cannot be reached: {why.rstrip('.')}.")


def reason(error: Exception) -> str:
    """Return an error of the network in the system's own words, without the numbers around them."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(getattr(error, "strerror", None) or error)


def other_key(host: str, *, shown: str, wanted: str) -> NotThatHostError:
    """Return the error for a host that shows another key than the configured one; both are fingerprints."""
    return NotThatHostError(
        f"{host} shows the host key {shown}, but the configuration has {wanted}. "
        "Either it is not that host, or its key was changed: find out which before you change host_key.",
        code="host-key",
    )


def no_helper(host: str, status: int, complaint: bytes) -> NotThatHostError:
    """Return the error for something else than `opsbot-host` that answered, and ended with STATUS."""
    words = _last_words(complaint)
    said = f"it said: {words}" if words else f"exit status {status}"
    if "account is currently not available" in words:
        hint = "the SSH user has no shell; give it /bin/sh"
    elif status in {126, 127}:
        hint = "opsbot-host is not there; import nix/host.nix into the host's configuration"
    else:
        hint = "the SSH user does not run opsbot-host; import nix/host.nix into the host's configuration"
    return NotThatHostError(f"{host} does not answer as a managed host ({said}): {hint}.", code="no-helper")


def _last_words(complaint: bytes) -> str:
    last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
    return "".join(letter for letter in last if letter.isprintable())[:200]
