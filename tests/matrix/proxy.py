"""A proxy in front of a homeserver that can behave badly in the ways in which real ones do."""

import asyncio
import json
from enum import StrEnum
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from opsbot.demo.homeserver import free_port


class Mood(StrEnum):
    """How the homeserver seems to be."""

    WELL = "well"
    HTML = "a proxy's page instead of JSON"
    FAILING = "500 with JSON"
    LIMITING = "429"
    TRUNCATED = "half a body"
    HANGING = "no answer at all"
    SENSELESS = "200 with something else"
    DEAF = "events are taken, but nobody is told"


_OK = 200
#: The first position of a conduwuit that is imitated.
_FIRST = 1000


class Proxy:
    """Passes requests on to TARGET, or does what its mood says."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._runner: web.AppRunner | None = None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.mood = Mood.WELL
        #: Behave as conduwuit does: ten events a room, no filter, no end to the history, positions that are numbers.
        self.conduwuit = False
        #: Rooms that are left out of syncs, as conduwuit does with those that it fails to read.
        self.skipped: set[str] = set()
        #: Rooms of which it cannot read the state.
        self.unreadable: set[str] = set()
        #: The positions of the homeserver behind, in the order in which they were given away.
        self._positions: list[str] = []
        #: The paths that were asked for, less the text that is always there.
        self.asked: list[str] = []
        self._asked_more = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        await self._session.close()

    async def open(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def refuse(self) -> None:
        """Listen no longer: connections are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def until_asked(self, words: str = "", *, times: int = 1) -> None:
        """Wait until paths with these WORDS were asked for so often, from now on."""
        before = len(self.asked)
        while sum(words in path for path in self.asked[before:]) < times:
            self._asked_more.clear()
            await self._asked_more.wait()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        mood = self.mood
        if mood in (Mood.WELL, Mood.TRUNCATED, Mood.DEAF):
            status, body = await self._pass_on(request)
        self._note(request)
        if any(request.path.endswith(f"/rooms/{room_id}/state") for room_id in self.unreadable):
            mood = Mood.FAILING
        match mood:
            case Mood.WELL:
                return web.Response(body=body, status=status, content_type="application/json")
            case Mood.HTML:
                return web.Response(text="<h1>502 Bad Gateway</h1>", status=502, content_type="text/html")
            case Mood.FAILING:
                return web.json_response({"errcode": "M_UNKNOWN", "error": "Internal server error"}, status=500)
            case Mood.LIMITING:
                return web.json_response({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 200}, status=429)
            case Mood.SENSELESS:
                return web.json_response(["all is well"])
            case Mood.TRUNCATED:
                return await self._cut(request, body)
            case Mood.HANGING | Mood.DEAF:
                await asyncio.sleep(3600)
        raise AssertionError(mood)

    def _note(self, request: web.Request) -> None:
        self.asked.append(request.path.removeprefix("/_matrix/client/v3/"))
        self._asked_more.set()

    async def _pass_on(self, request: web.Request) -> tuple[int, bytes]:
        query = dict(request.query)
        if self.conduwuit and request.path.endswith("/sync"):
            return await self._sync(request, query)
        if self.conduwuit:
            query.pop("to", None)
        return await self._ask(request, query)

    async def _sync(self, request: web.Request, query: dict[str, str]) -> tuple[int, bytes]:
        """Answer a sync as conduwuit does."""
        since = query.pop("since", "")
        # It parses a number; whatever is none is 0, and so the answer to it is everything.
        number = int(since) if since.isdecimal() else 0
        # It has no cache of answers; Synapse has, unless a filter was never used before.
        unused = f"!{len(self.asked)}:nowhere"
        query["filter"] = json.dumps({"room": {"timeline": {"limit": 10}, "not_rooms": [unused]}})
        query["timeout"] = str(min(int(query.get("timeout", "30000")), 30_000))
        newer = number >= _FIRST + len(self._positions)
        if newer:
            query["timeout"] = "0"
        elif number >= _FIRST:
            query["since"] = self._positions[number - _FIRST]
        status, body = await self._ask(request, query)
        answer = json.loads(body)
        if status == _OK:
            self._as_conduwuit(answer, newer=newer)
        return status, json.dumps(answer).encode()

    def _as_conduwuit(self, answer: Any, *, newer: bool) -> None:
        if answer["next_batch"] not in self._positions:
            self._positions.append(answer["next_batch"])
        answer["next_batch"] = str(_FIRST + self._positions.index(answer["next_batch"]))
        joined = answer.get("rooms", {}).get("join", {})
        for room_id in [*joined] if newer else self.skipped & set(joined):
            # A room in which nothing is newer than what was asked for, and one that cannot be read, is not there.
            del joined[room_id]
        for room in joined.values():
            changes = [event for event in room["timeline"]["events"] if "state_key" in event]
            room.setdefault("state", {}).setdefault("events", []).extend(changes)

    async def _ask(self, request: web.Request, query: dict[str, str]) -> tuple[int, bytes]:
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        address = self._target + request.path_qs.split("?")[0]
        data = await request.read()
        async with self._session.request(
            request.method, URL(address, encoded=True).with_query(query), headers=headers, data=data
        ) as answer:
            return answer.status, await answer.read()

    async def _cut(self, request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response
