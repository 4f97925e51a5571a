"""A homeserver that lies: what no client could send comes to the bot by it, as from other servers or another time."""

import json
from typing import Any

from aiohttp import web

from tests.matrix.proxy import Proxy

_OK = 200


class Forger(Proxy):
    """Passes everything on, and adds forged events to the next sync."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._forged: list[tuple[str, Any]] = []

    def forge(self, room_id: str, event: Any) -> None:
        """Have the bot told an event in a room, with the next thing that it is told."""
        self._forged.append((room_id, event))

    async def _pass_on(self, request: web.Request) -> tuple[int, bytes]:
        status, body = await super()._pass_on(request)
        if status != _OK or not request.path.endswith("/sync") or not self._forged:
            return status, body
        answer = json.loads(body)
        joined = answer.setdefault("rooms", {}).setdefault("join", {})
        for room_id, event in self._forged:
            timeline = joined.setdefault(room_id, {}).setdefault("timeline", {})
            timeline["events"] = [*timeline.get("events", []), event]
            timeline.setdefault("limited", False)
            timeline.setdefault("prev_batch", "before")
        self._forged.clear()
        return status, json.dumps(answer).encode()
