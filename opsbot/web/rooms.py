"""One question to the homeserver that the client-server API has in another version than all the others."""

from urllib.parse import quote

import aiohttp
from yarl import URL


async def join_rule(homeserver: str, token: str, room: str, *, within: float = 10.0) -> str | None:
    """Return who may join a room that we are not in, e.g. "public"; None when the homeserver does not tell."""
    address = URL(f"{homeserver.rstrip('/')}/_matrix/client/v1/room_summary/{quote(room, safe='')}", encoded=True)
    headers, patience = {"Authorization": f"Bearer {token}"}, aiohttp.ClientTimeout(total=within)
    try:
        async with (
            aiohttp.ClientSession(timeout=patience, headers=headers) as session,
            session.get(address, allow_redirects=False) as answer,
        ):
            said = await answer.json(content_type=None)
    except (aiohttp.ClientError, OSError, ValueError):
        return None
    rule = said.get("join_rule") if isinstance(said, dict) else None
    return rule if isinstance(rule, str) else None
