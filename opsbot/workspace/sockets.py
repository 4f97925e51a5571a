"""Socket mode: where the app hears what happens."""

import asyncio
import itertools
import secrets
import time
import uuid

from aiohttp import WSMsgType, web

from opsbot.workspace.model import Json
from opsbot.workspace.team import Team


class Sockets:
    """The open sockets of an app; what happens while there is none is not told later."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._tickets: dict[str, str] = {}
        #: Each with the user as whom its app speaks.
        self._open: list[tuple[str, web.WebSocketResponse]] = []
        self._numbers = itertools.count(1)
        self._sending: set[asyncio.Task[None]] = set()
        #: Envelopes that were sent, and those that the app has taken.
        self.sent: list[str] = []
        self.taken: set[str] = set()
        #: Events that nobody heard.
        self.lost = 0
        #: How many sockets were opened so far.
        self.opened = 0
        self._newest: Json = None
        team.listeners.append(self._tell)

    @property
    def count(self) -> int:
        """How many sockets are open."""
        return len(self._open)

    def ticket(self, user: str) -> str:
        """Return the address of a new socket of the app that speaks as a USER; it opens one, once."""
        ticket = secrets.token_hex(8)
        self._tickets[ticket] = user
        return f"wss://wss-primary.slack.com/link/?ticket={ticket}"

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Hold a socket open until either side has enough."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden
        place = self._tickets.pop(ticket)
        # Slack pings within 30 seconds, else its clients connect anew.
        socket = web.WebSocketResponse(heartbeat=10.0)
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": self.count + 1})
        mine = (place, socket)
        self._open.append(mine)
        self.opened += 1
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.taken.add(message.json().get("envelope_id", ""))
        finally:
            self._open.remove(mine)
        return socket

    async def drop(self) -> None:
        """Close every socket, as Slack does now and then."""
        for _, socket in list(self._open):
            await socket.close()

    def tell_again(self) -> None:
        """Tell the newest event once more, as Slack does when no word of it came back."""
        self._tell("", self._newest)

    def _tell(self, _: str, event: Json) -> None:
        self._newest = event
        # Slack gives an event to one socket of each app.
        newest = dict(self._open)
        self.lost += self._team.app.user not in newest
        for socket in newest.values():
            self._give(socket, event)

    def _give(self, socket: web.WebSocketResponse, event: Json) -> None:
        envelope = str(uuid.uuid4())
        payload = {
            "type": "event_callback",
            "token": "x",
            "team_id": self._team.id,
            "api_app_id": "A0APP",
            "event_id": f"Ev{next(self._numbers):08}",
            "event_time": int(time.time()),
            "event": event,
        }
        self.sent.append(envelope)
        whole = {"type": "events_api", "envelope_id": envelope, "accepts_response_payload": False, "payload": payload}
        task = asyncio.create_task(self._send(socket, whole))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, socket: web.WebSocketResponse, envelope: Json) -> None:
        try:
            await socket.send_json(envelope)
        except ConnectionError:
            self.lost += 1
