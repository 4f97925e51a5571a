"""Double puppets: who has told the bridge a token of their own account is not shown by a ghost, but by that account."""

from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.memory import Memory
from opsbot.mautrix.model import HomeserverError, Json

#: In the content of what the bridge says with somebody's own account. Anybody can write it there.
PUPPET = "fi.mau.double_puppet_source"
SOURCE = "mautrix-slack"
_COMMAND = "!slack login-matrix "


async def puppeted(event: Json, memory: Memory, home: Homeserver) -> bool:
    """Take a token that somebody gives for their own account; return whether the event is one that gives one."""
    body = str(event.get("content", {}).get("body", ""))
    if not body.startswith(_COMMAND):
        return False
    token = body.removeprefix(_COMMAND).strip()
    try:
        account = (await home.ask("GET", "v3/account/whoami", token=token))["user_id"]
    except HomeserverError:
        account = ""
    if account == event["sender"]:
        memory.keep_puppet(account, token)
        # The real one takes the message away, too: the token is a secret.
        await home.redact(event["room_id"], event["event_id"])
    return True
