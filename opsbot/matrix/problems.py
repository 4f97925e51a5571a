"""What can go wrong between the bot and its homeserver."""

from opsbot.errors import ChatRefusedError, ChatUnreachableError


class HomeserverUnwellError(ChatUnreachableError):
    """The homeserver answers, but not what it was asked."""

    def __init__(self, sentence: str = "", *, wait: float = 0.0) -> None:
        super().__init__(sentence)
        #: Seconds that the homeserver wants to be left alone.
        self.wait = wait


class TokenRefusedError(ChatUnreachableError):
    """The homeserver does not accept the bot's access token."""


class AnswerError(ChatRefusedError):
    """The homeserver said no."""

    def __init__(self, sentence: str = "", *, status: int, code: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
