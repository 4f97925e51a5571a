"""What can go wrong, as sentences for the person who asked.

The docstring of a class is its sentence when none is given.
"""


class OpsbotError(Exception):
    """Something went wrong."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(sentence or (type(self).__doc__ or "").strip().splitlines()[0])


class UsageError(OpsbotError):
    """That is not how this command is written."""


class RefusedError(OpsbotError):
    """You may not do that."""


class BusyError(OpsbotError):
    """Somebody else is at it."""


class ConfigError(OpsbotError):
    """The configuration is wrong."""


class StorageError(OpsbotError):
    """The plugin has no room to remember that."""


class HostError(OpsbotError):
    """The host could not do it.

    `code` is the machine's word for the reason (see docs/host-protocol.md).
    """

    def __init__(self, sentence: str = "", *, code: str = "failed") -> None:
        super().__init__(sentence)
        self.code = code


class HostUnreachableError(OpsbotError):
    """The host cannot be reached, so nobody knows what it does.

    Never means "failed": whoever gets this asks again.
    """


class ChatUnreachableError(OpsbotError):
    """The homeserver cannot be reached."""


class ChatRefusedError(OpsbotError):
    """The homeserver does not want this message, and will not want it later."""


class ForgeError(OpsbotError):
    """The forge could not do it."""


class BridgeError(OpsbotError):
    """The Slack bridge could not do it."""
