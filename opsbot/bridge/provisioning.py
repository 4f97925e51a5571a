"""The bridge's provisioning API: who is logged in, in which state, and the login itself."""

from http import HTTPStatus
from urllib.parse import quote

import aiohttp

from opsbot.answers import reason
from opsbot.errors import BridgeError
from opsbot.model import Json, SlackLogin

#: Seconds for one question; a login asks Slack several things.
WITHIN = 20.0
_FLOW = "app"
#: Characters of a word that is told of a login.
_LONGEST = 200
#: Seconds since 1970 until the last moment that a date can name.
_END_OF_TIME = 253_402_300_800


class Provisioning:
    """Asks the bridge at URL with its shared SECRET, in the name of the ACCOUNT whose logins are meant."""

    def __init__(self, url: str, secret: str, account: str, *, within: float = WITHIN) -> None:
        self._api = f"{url.rstrip('/')}/_matrix/provision/v3"
        self._secret = secret
        self._account = account
        self._within = within

    async def logins(self) -> tuple[SlackLogin, ...]:
        """Return the account's logins with their states. Raises BridgeError."""
        found = (await self._ask("GET", "whoami")).get("logins")
        return tuple(read_login(one) for one in found if isinstance(one, dict)) if isinstance(found, list) else ()

    async def log_in(self, *, bot_token: str, app_token: str) -> str:
        """Log the app in and return the login's id; a login that is there already gets these tokens.

        Raises BridgeError.
        """
        step = await self._ask("POST", "login", "start", _FLOW)
        place = tuple(str(step.get(key)) for key in ("login_id", "step_id", "type"))
        done = await self._ask(
            "POST", "login", "step", *place, content={"bot_token": bot_token, "app_token": app_token}
        )
        complete = done.get("complete")
        if done.get("type") != "complete" or not isinstance(complete, dict):
            raise BridgeError(
                "The bridge wants more for a login than the app's two tokens; this bot was made for v26.08."
            )
        return str(complete.get("user_login_id"))

    async def log_out(self, login: str) -> None:
        """Let the bridge forget a login. Raises BridgeError."""
        await self._ask("POST", "logout", login)

    async def _ask(self, method: str, *path: str, content: Json = None) -> Json:
        url = "/".join((self._api, *(quote(part, safe="") for part in path)))
        headers = {"Authorization": f"Bearer {self._secret}"}
        patience = aiohttp.ClientTimeout(total=self._within)
        try:
            async with (
                aiohttp.ClientSession(timeout=patience, headers=headers) as session,
                session.request(
                    method, url, params={"user_id": self._account}, json=content, allow_redirects=False
                ) as answer,
            ):
                said = await answer.json(content_type=None)
        except TimeoutError:
            raise BridgeError(f"The bridge did not answer within {self._within:g} s.") from None
        except aiohttp.ClientConnectorError as error:
            raise BridgeError(f"The bridge cannot be reached: {reason(error.os_error)}.") from None
        except (aiohttp.ClientError, OSError, ValueError, RecursionError):
            raise BridgeError("What answers at bridge.url is not the bridge.") from None
        if not isinstance(said, dict):
            raise BridgeError("What answers at bridge.url is not the bridge.")
        if answer.status != HTTPStatus.OK:
            raise BridgeError(self._sentence(answer.status, said))
        return said

    def _sentence(self, status: int, said: Json) -> str:
        internal = str(said.get("fi.mau.internal_error", ""))
        match status:
            case HTTPStatus.UNAUTHORIZED:
                return "The bridge does not accept the secret: it must be its own provisioning.shared_secret."
            case HTTPStatus.FORBIDDEN:
                return f"The bridge lets {self._account} not log in: give it the level user in its bridge.permissions."
            case HTTPStatus.NOT_FOUND if "errcode" not in said:
                return "What answers at bridge.url is not the bridge."
            case _ if "invalid_auth" in internal or "account_inactive" in internal or "token_revoked" in internal:
                return (
                    "Slack does not accept the bot token: install the app in the workspace, and copy its xoxb- token."
                )
            case _ if "missing_scope" in internal:
                return "The app lacks a scope: put `opsbot slack manifest` into it, and install it anew."
            case _:
                words = internal or str(said.get("error") or f"HTTP status {status}")
                return f"The bridge says: {words[:200]}"


def read_login(said: Json) -> SlackLogin:
    """Read what the bridge says of one login; what makes no sense in it says nothing."""
    state = said.get("state") if isinstance(said.get("state"), dict) else {}
    since = state.get("timestamp")
    return SlackLogin(
        id=_word(said.get("id")),
        name=_word(said.get("name")),
        state=_word(state.get("state_event")) or _word(said.get("state_event")) or "UNKNOWN",
        # Neither what is no number nor what is more than a clock shows can be compared with the time.
        since=float(since) if isinstance(since, int | float) and 0 <= since < _END_OF_TIME else 0.0,
        error=_word(state.get("error")),
        message=_word(state.get("message")),
    )


def _word(said: Json) -> str:
    return said[:_LONGEST] if isinstance(said, str) else ""
