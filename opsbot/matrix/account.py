"""Logging in: by a token that somebody made, or by a password, once."""

import json
from pathlib import Path

from opsbot.errors import ConfigError
from opsbot.letters import Memory
from opsbot.matrix.client import Client
from opsbot.matrix.events import mapping, text
from opsbot.matrix.problems import AnswerError, TokenRefusedError
from opsbot.matrix.settings import MatrixSettings

_LOGIN = "matrix.login"


class Account:
    """The bot's account; what a login gave is remembered, so that one device serves for ever."""

    def __init__(self, settings: MatrixSettings, *, client: Client, memory: Memory) -> None:
        self._settings = settings
        self._client = client
        self._memory = memory

    def check(self) -> None:
        """Raise ConfigError if there is nothing to log in with."""
        self._secret()

    async def enter(self) -> str:
        """Log in and return the account's id. Raises TokenRefusedError, ChatUnreachableError or ConfigError."""
        secret = self._secret()
        if self._settings.token_file is not None:
            await self._enter_with(secret)
        else:
            await self._enter_by_password(secret)
        return self._client.user_id

    def _secret(self) -> str:
        file = self._settings.token_file or self._settings.password_file
        if file is None:
            raise ConfigError("The bot needs an access token or a password for its account.")
        secret = _read(file)
        if not secret:
            raise ConfigError(f"The file {file} is empty.")
        return secret

    async def _enter_with(self, token: str) -> None:
        self._client.log_in(user_id="", token=token)
        me = mapping(await self._client.ask("GET", "account", "whoami"))
        user_id = text(me.get("user_id"))
        if self._settings.user_id not in ("", user_id):
            raise ConfigError(f"The access token belongs to {user_id}, not to {self._settings.user_id}.")
        self._client.log_in(user_id=user_id, token=token)

    async def _enter_by_password(self, password: str) -> None:
        kept = mapping(json.loads(await self._memory.recall(_LOGIN) or "{}"))
        same = (text(kept.get("homeserver")), text(kept.get("asked"))) == (self._client.url, self._settings.user_id)
        if same and await self._still_in(text(kept.get("token"))):
            return
        await self._log_in(password, device_id=text(kept.get("device_id")) if same else "")

    async def _still_in(self, token: str) -> bool:
        try:
            await self._enter_with(token)
        except TokenRefusedError:
            return False
        return True

    async def _log_in(self, password: str, *, device_id: str) -> None:
        content = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self._settings.user_id},
            "password": password,
            "initial_device_display_name": "opsbot",
        }
        self._client.log_in(user_id="", token="")
        device = {"device_id": device_id} if device_id else {}
        try:
            answer = await self._client.ask("POST", "login", content=content | device)
        except AnswerError as problem:
            raise TokenRefusedError(f"The homeserver does not let the bot log in: {problem}") from None
        login = {key: text(mapping(answer).get(key)) for key in ("user_id", "device_id", "access_token")}
        self._client.log_in(user_id=login["user_id"], token=login["access_token"])
        kept = {"homeserver": self._client.url, "asked": self._settings.user_id}
        kept |= {"device_id": login["device_id"], "token": login["access_token"]}
        await self._memory.remember(_LOGIN, json.dumps(kept))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"The file {file} cannot be read: {problem}.") from None
