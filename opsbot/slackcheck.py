"""What `opsbot check` says of the way to Slack."""

import time
from collections.abc import AsyncIterator

from opsbot.ailments import of_ending, of_logins
from opsbot.config import Config
from opsbot.connect import ssh_host
from opsbot.credentials import Credentials
from opsbot.errors import BridgeError, ConfigError, OpsbotError
from opsbot.matrix.client import Client
from opsbot.matrix.events import facts_of, listing, mapping, text
from opsbot.people import portal_of
from opsbot.slack import provisioning
from opsbot.slacktest import MISSING

#: The name under which the configuration knows the bridge's unit.
SERVICE = "bridge"
_LINES, _WITHIN = 60, 15.0


async def slack_lines(config: Config, credentials: Credentials) -> AsyncIterator[tuple[bool, str]]:
    """Yield whether it is well, and a sentence, for each thing about the bridge that can be asked."""
    bridge = config.bridge
    if bridge is None:
        return
    if bridge.url is None:
        yield True, "not asked: without bridge.url and bridge.secret_file nobody can tell how the bridge is."
        return
    try:
        logins = await provisioning(config, credentials).logins()
    except ConfigError as error:
        yield False, str(error)
        return
    except BridgeError as error:
        yield False, f"{error} {await _ending(config, credentials)}".rstrip()
        return
    wrong = of_logins(logins, team=bridge.team, now=time.time())
    if wrong:
        yield False, wrong
    else:
        names = ", ".join(f"{one.name} ({one.state})" for one in logins)
        yield True, f"the bridge is logged in: {names}."


async def missing_channel(client: Client, config: Config, credentials: Credentials) -> str | None:
    """Return the sentence about a channel of the self-test that the bot is in no room of. Raises as the client does."""
    bridge = config.bridge
    if bridge is None or bridge.test_channel is None or not await _hears(config, credentials):
        return None
    joined = mapping(await client.ask("GET", "joined_rooms")).get("joined_rooms")
    for room_id in map(text, listing(joined)):
        facts = facts_of(room_id, await client.ask("GET", "rooms", room_id, "state"))
        portal = portal_of(facts, bridge=bridge, server=config.homeserver.server)
        if portal is not None and portal.channel == bridge.test_channel:
            return None
    return MISSING.format(bridge.test_channel)


async def _hears(config: Config, credentials: Credentials) -> bool:
    """Tell whether the bridge hears Slack, as far as it can be asked: before it does, nobody can invite the app."""
    bridge = config.bridge
    if bridge is None or bridge.url is None:
        return True
    try:
        logins = await provisioning(config, credentials).logins()
    except (BridgeError, ConfigError):
        return False
    return not of_logins(logins, team=bridge.team, now=time.time())


async def _ending(config: Config, credentials: Credentials) -> str:
    """Return how the bridge ended, if its host tells."""
    service = config.services.get(SERVICE)
    host = config.host_of(SERVICE) if service else None
    if service is None or service.unit is None or host is None:
        return f"Its exit code is told when services.{SERVICE} names its unit."
    try:
        asked = ssh_host(host, config, credentials)
    except ConfigError:
        return ""
    try:
        said = await asked.ask("logs", {"unit": service.unit, "lines": _LINES}, within=_WITHIN)
    except OpsbotError as error:
        return f"Why it ended cannot be read: {error}"
    finally:
        await asked.close()
    lines = said.get("lines") if isinstance(said, dict) else None
    return of_ending(map(str, lines)) if isinstance(lines, list) else ""
