"""The homeserver, asked as an application service: in the bridge's own name, or in a ghost's."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from urllib.parse import quote

import aiohttp

from opsbot.mautrix.config import Config
from opsbot.mautrix.model import ExitError, HomeserverError, Json

_PATIENCE = aiohttp.ClientTimeout(total=30)
_WAIT = 1.0


class Homeserver:
    """The client-server API with the token of an application service."""

    def __init__(self, config: Config, session: aiohttp.ClientSession) -> None:
        self._config = config
        self._session = session
        self._numbers = itertools.count(1)

    @property
    def server(self) -> str:
        """Its name."""
        return self._config.domain

    async def ask(
        self, method: str, path: str, content: Json = None, *, user: str = "", ts: int | None = None, token: str = ""
    ) -> Json:
        """Ask as USER, at the time TS in milliseconds, or with an account's own TOKEN. Raises HomeserverError."""
        query = {} if token else {"user_id": user or self._config.bot} | ({} if ts is None else {"ts": str(ts)})
        headers = {"Authorization": f"Bearer {token or self._config.as_token}"}
        body = {} if content is None and method != "GET" else content
        url = f"{self._config.homeserver}/_matrix/client/{path}"
        async with self._session.request(
            method, url, json=body, params=query, headers=headers, timeout=_PATIENCE
        ) as it:
            answer = await it.json(content_type=None)
            if it.ok:
                return answer
        raise HomeserverError(it.status, answer.get("errcode", ""), answer.get("error", ""))

    async def greet(self) -> None:
        """Wait for the homeserver and see that it knows this bridge. Raises ExitError."""
        while True:
            try:
                await self.ask("GET", "v3/account/whoami")
            except aiohttp.ClientError:
                await asyncio.sleep(_WAIT)
            except HomeserverError as problem:
                if problem.code == "M_UNKNOWN_TOKEN":
                    words = "The as_token was not accepted. Is the registration file installed in your homeserver?"
                    raise ExitError(16, words) from None
                await self.register(self._config.sender)
            else:
                break
        await self.register(self._config.sender)

    async def ping(self) -> bool:
        """Let the homeserver try to reach this bridge."""
        path = f"v1/appservice/{self._config.appservice}/ping"
        try:
            await self.ask("POST", path, {"transaction_id": f"ping{next(self._numbers)}"})
        except HomeserverError:
            return False
        return True

    async def register(self, localpart: str) -> None:
        """Make an account within the bridge's namespace; it may be there already."""
        account = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self.ask("POST", "v3/register", account)
        except HomeserverError as problem:
            if problem.code != "M_USER_IN_USE":
                raise

    async def name(self, user: str, name: str) -> None:
        """Give an account a display name."""
        await self.ask("PUT", f"v3/profile/{quote(user)}/displayname", {"displayname": name}, user=user)

    async def send(
        self, room: str, kind: str, content: Json, *, user: str = "", ts: int | None = None, token: str = ""
    ) -> str:
        """Send an event; return its id. A ghost that is not in the room enters it, and so does who gave a TOKEN."""
        transaction = f"{time.time_ns()}-{next(self._numbers)}"
        path = f"v3/rooms/{quote(room)}/send/{kind}/{transaction}"
        try:
            answer = await self.ask("PUT", path, content, user=user, ts=ts, token=token)
        except HomeserverError as problem:
            if problem.code != "M_FORBIDDEN" or not user:
                raise
            await self.bring(room, [user], token=token)
            answer = await self.ask("PUT", path, content, user=user, ts=ts, token=token)
        event: str = answer["event_id"]
        return event

    async def upload(self, name: str, kind: str, content: bytes) -> str:
        """Bring a file; return its address. Raises HomeserverError."""
        headers = {"Authorization": f"Bearer {self._config.as_token}", "Content-Type": kind}
        url = f"{self._config.homeserver}/_matrix/media/v3/upload"
        query = {"filename": name, "user_id": self._config.bot}
        async with self._session.post(url, data=content, params=query, headers=headers, timeout=_PATIENCE) as it:
            answer = await it.json(content_type=None)
            if it.ok:
                address: str = answer["content_uri"]
                return address
        raise HomeserverError(it.status, answer.get("errcode", ""), answer.get("error", ""))

    async def redact(self, room: str, event: str, *, user: str = "", token: str = "") -> None:
        """Take an event back."""
        path = f"v3/rooms/{quote(room)}/redact/{quote(event)}/{time.time_ns()}-{next(self._numbers)}"
        await self.ask("PUT", path, user=user, token=token)

    async def create_room(self, settings: Json) -> str:
        """Make a room; return its id."""
        room: str = (await self.ask("POST", "v3/createRoom", settings))["room_id"]
        return room

    async def state(self, room: str, event: Json) -> None:
        """Set a piece of a room's state."""
        path = f"v3/rooms/{quote(room)}/state/{event['type']}/{quote(event['state_key'], safe='')}"
        await self.ask("PUT", path, event["content"])

    async def bring(self, room: str, users: Sequence[str], *, token: str = "") -> None:
        """Let ghosts into a room, or one account with its own TOKEN."""
        for user in users:
            try:
                await self.ask("POST", f"v3/rooms/{quote(room)}/join", user=user, token=token)
            except HomeserverError:
                await self.ask("POST", f"v3/rooms/{quote(room)}/invite", {"user_id": user})
                await self.ask("POST", f"v3/rooms/{quote(room)}/join", user=user, token=token)
