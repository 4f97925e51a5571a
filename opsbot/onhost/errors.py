"""The one way to say no: a code for the bot and a sentence for the person."""


class HostError(Exception):
    """Something could not be done; `code` is one of those in docs/host-protocol.md, `message` a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def as_json(self) -> dict[str, str]:
        """Return what goes into an answer or a result file."""
        return {"code": self.code, "message": self.message}


class StoppedError(HostError):
    """A command was ended because its job was cancelled."""

    def __init__(self) -> None:
        super().__init__("cancelled", "The job was cancelled.")
