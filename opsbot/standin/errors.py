"""What the programs of the stand-in machine say when they cannot."""


class NixError(Exception):
    """What Nix says when it cannot; the message is printed after `error: `."""


class ControlError(Exception):
    """The service manager said no; `status` is the exit status that systemd's programs give for it."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status
