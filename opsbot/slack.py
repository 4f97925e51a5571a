"""`opsbot slack`: the app's manifest, and the bridge's login for the bot's own account."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping

from opsbot.ailments import PASSING, of_login
from opsbot.bridge.manifest import manifest
from opsbot.bridge.provisioning import Provisioning
from opsbot.config import Config
from opsbot.credentials import Credentials, unheard
from opsbot.errors import BridgeError, ConfigError

_LOOK = 0.5
#: Slack takes a manifest with a longer name not at all.
_LONGEST_NAME = 35
#: Seconds after a login until the bridge is believed a state that is older than it: its clock may be behind ours.
_BELIEVED = 10.0


def printed_manifest(name: str) -> str:
    """Return the manifest of an app called NAME, as Slack takes it. Raises ConfigError for a name that it does not."""
    if not 0 < len(name.strip()) <= _LONGEST_NAME:
        raise ConfigError(f"The name of an app in Slack has at least one character, and at most {_LONGEST_NAME}.")
    return json.dumps(manifest(name), indent=2) + "\n"


def provisioning(config: Config, credentials: Credentials) -> Provisioning:
    """Return the bridge's own API, for the bot's account. Raises ConfigError when it is not configured."""
    bridge = config.bridge
    if bridge is None or bridge.url is None or bridge.secret_file is None:
        raise ConfigError("The configuration must name bridge.url and bridge.secret_file for that.")
    return Provisioning(bridge.url, credentials.read(bridge.secret_file), config.homeserver.user)


async def log_in(
    config: Config,
    environ: Mapping[str, str],
    *,
    only: bool = False,
    within: float = PASSING,
    on_secret: Callable[[str], None] = unheard,
) -> AsyncIterator[str]:
    """Let the bridge log in with Slack as the bot, and yield a sentence for each thing that was done.

    ONLY ends every other login of the bot's account. Raises ConfigError and BridgeError.
    """
    bridge, credentials = config.bridge, Credentials.of(environ, config.credentials, on_secret=on_secret)
    api = provisioning(config, credentials)
    if bridge is None or bridge.bot_token_file is None or bridge.app_token_file is None:
        raise ConfigError("The configuration must name bridge.bot_token_file and bridge.app_token_file for that.")
    bot_token = _token(credentials, bridge.bot_token_file, "xoxb-")
    app_token = _token(credentials, bridge.app_token_file, "xapp-")
    began = time.time()
    login = await api.log_in(bot_token=bot_token, app_token=app_token)
    yield f"The bridge took the tokens: {login}."
    team = login.partition("-")[0]
    if team != bridge.team:
        raise BridgeError(
            f"The tokens are those of the workspace {team}, but bridge.team is {bridge.team}: set it to {team}, "
            "or take the other workspace's tokens."
        )
    yield await _connected(api, login, began=began, within=within)
    for other in await api.logins():
        if other.id != login and only:
            await api.log_out(other.id)
            yield f"{other.name} ({other.id}) is logged out."
        elif other.id != login:
            yield f"{other.name} ({other.id}) is logged in, too; `opsbot slack login --only` ends that."


def _token(credentials: Credentials, name: str, begin: str) -> str:
    token = credentials.read(name)
    if not token.startswith(begin):
        raise ConfigError(f"The credential {name} is no token of this kind: it must begin with {begin}.")
    return token


async def _connected(api: Provisioning, login: str, *, began: float, within: float) -> str:
    """Wait until a login that BEGAN at some time hears Slack; return the sentence. Raises BridgeError with the reason.

    Until the bridge has tried the new tokens it tells how the old ones were, and at the very first nothing.
    """
    waited = 0.0
    while True:
        oldest = int(began) if waited < _BELIEVED else 0
        told = (one for one in await api.logins() if one.id == login and one.state != "UNKNOWN")
        now = next((one for one in told if one.since >= oldest), None)
        if now is not None and now.state == "CONNECTED":
            return f"{now.name} is connected."
        wrong = "" if now is None else of_login(now, now=time.time())
        if wrong or waited >= within:
            raise BridgeError(wrong or f"The bridge did not reach Slack within {within:.0f} s; its log says why.")
        await asyncio.sleep(_LOOK)
        waited += _LOOK
