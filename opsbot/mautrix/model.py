"""The values that pass between the parts of the stand-in bridge."""

from dataclasses import dataclass
from typing import Any

#: A JSON value.
Json = Any


class ExitError(Exception):
    """The bridge ends at once, with one of mautrix-slack's exit codes and its words."""

    def __init__(self, code: int, words: str, error: str = "") -> None:
        super().__init__(words)
        self.code = code
        self.error = error


class SlackError(Exception):
    """Slack said no, in the words in which mautrix-slack reports it."""


class HomeserverError(Exception):
    """The homeserver said no."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(f"{code} (HTTP {status}): {words}")
        self.status = status
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Login:
    """An app's tokens and whose they are."""

    owner: str
    team: str
    team_name: str
    user: str
    user_name: str
    bot_token: str
    app_token: str
    #: Whether the app speaks as a member, and not as a bot of its own.
    member: bool = False

    @property
    def id(self) -> str:
        """The login's name in the provisioning API."""
        return f"{self.team}-{self.user}"
