"""The smallest honest bot: a plain loop of /sync and send, to measure opsbot against.

`python -m bench.plain --config FILE`, with the `url` and the `token` of its account in a JSON file.
It keeps nothing and checks nobody: what it saves on is what opsbot's promises cost.
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

_COMMAND = re.compile(r"!(?P<name>hello|ping) (?P<number>\d+)$")
_ANSWERS = {"hello": "Hello, {}!", "ping": "pong {}"}
_FILTER = json.dumps(
    {
        "presence": {"types": []},
        "account_data": {"types": []},
        "room": {
            "state": {"types": []},
            "ephemeral": {"types": []},
            "account_data": {"types": []},
            "timeline": {"types": ["m.room.message"], "limit": 500},
        },
    }
)
_API = "/_matrix/client/v3"
#: Seconds until a homeserver that is away is asked again.
_PAUSE = 0.2
#: Seconds that a request may take: longer than a sync without news, and not for ever when its homeserver has gone.
_PATIENCE = 30


class Plain:
    """Answers what is said from its start on."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._me = ""
        self._since: str | None = None

    async def run(self) -> None:
        """Sync and answer for ever."""
        while not self._me:
            self._me = (await self._get("account/whoami")).get("user_id", "")
        while True:
            query = {"filter": _FILTER, "timeout": "20000"} | ({"since": self._since} if self._since else {})
            batch = await self._get("sync", **query)
            if "next_batch" not in batch:
                continue
            if self._since:
                await self._answer(batch)
            self._since = batch["next_batch"]

    async def _get(self, path: str, **query: str) -> Any:
        try:
            async with self._session.get(f"{_API}/{path}", params=query) as answer:
                answer.raise_for_status()
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(_PAUSE)
            return {}

    async def _answer(self, batch: Any) -> None:
        for room_id, room in batch.get("rooms", {}).get("join", {}).items():
            for event in room["timeline"]["events"]:
                found = _COMMAND.match(event["content"].get("body", ""))
                if found and event["sender"] != self._me:
                    await self._say(room_id, event["event_id"], _ANSWERS[found["name"]].format(found["number"]))

    async def _say(self, room_id: str, cause: str, words: str) -> None:
        path = f"{_API}/rooms/{quote(room_id)}/send/m.room.message/{quote(cause, safe='')}"
        while True:
            try:
                async with self._session.put(path, json={"msgtype": "m.text", "body": words}) as answer:
                    if answer.ok:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(_PAUSE)


async def main(url: str, token: str) -> None:
    """Answer as an account."""
    patience = aiohttp.ClientTimeout(total=_PATIENCE)
    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}, timeout=patience) as session:
        await Plain(session).run()


if __name__ == "__main__":
    asyncio.run(main(**json.loads(Path(sys.argv[-1]).read_text())))
