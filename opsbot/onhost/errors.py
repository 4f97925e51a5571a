"""The one way to say no: a code for the bot and a sentence for the person."""

import errno


class HostError(Exception):
    """Something could not be done; `code` is one of those in docs/host-protocol.md, `message` a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def as_json(self) -> dict[str, str]:
        """Return what goes into an answer or a result file."""
        return {"code": self.code, "message": self.message}


def told(error: Exception) -> HostError:
    """Return what to tell of something that nobody foresaw; a disk without room is a sentence of its own."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" at {error.filename}" if error.filename else ""
        room = "make room there, as with `nix-collect-garbage --delete-older-than 30d`, and ask again"
        return HostError("failed", f"A disk of this host is full{where}: {room}.")
    return HostError("failed", f"{type(error).__name__}: {error}"[:500])


class StoppedError(HostError):
    """A command was ended because its job was cancelled."""

    def __init__(self) -> None:
        super().__init__("cancelled", "The job was cancelled.")
