"""Slack as the bridge asks it: the Web API with the app's tokens, and the socket on which it hears."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus

import aiohttp

from opsbot.mautrix.model import Json, SlackError

_API = "https://slack.com/api"
_PATIENCE = aiohttp.ClientTimeout(total=30)


class Slack:
    """One app of one workspace."""

    def __init__(self, session: aiohttp.ClientSession, *, bot_token: str, app_token: str) -> None:
        self._session = session
        self._bot_token = bot_token
        self._app_token = app_token
        # Here, so that SSL_CERT_FILE counts.
        self._tls = ssl.create_default_context()

    async def ask(self, method: str, **form: str) -> Json:
        """Ask the Web API. Raises SlackError."""
        token = self._app_token if method == "apps.connections.open" else self._bot_token
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{_API}/{method}"
        try:
            async with self._session.post(url, data=form, headers=headers, ssl=self._tls, timeout=_PATIENCE) as answer:
                if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                    wait = _spelt(int(answer.headers.get("Retry-After", "1")))
                    raise SlackError(f"slack rate limit exceeded, retry after {wait}")
                if answer.status != HTTPStatus.OK:
                    raise SlackError(f"slack server error: {answer.status} {answer.reason}")
                result = await answer.json(content_type=None)
        except aiohttp.ClientError as problem:
            raise SlackError(f'Post "{url}": {problem}') from None
        if not result.get("ok"):
            raise SlackError(result.get("error", "unknown"))
        return result

    async def fetch(self, url: str) -> bytes:
        """Fetch a file. Raises SlackError."""
        headers = {"Authorization": f"Bearer {self._bot_token}"}
        try:
            async with self._session.get(url, headers=headers, ssl=self._tls, timeout=_PATIENCE) as answer:
                if answer.status != HTTPStatus.OK:
                    raise SlackError(f"slack server error: {answer.status} {answer.reason}")
                return await answer.read()
        except aiohttp.ClientError as problem:
            raise SlackError(f'Get "{url}": {problem}') from None

    async def post(self, channel: str, blocks: Json, thread: str | None) -> str:
        """Post a message; return its time stamp. Raises SlackError."""
        form = {"channel": channel, "blocks": json.dumps(blocks)} | ({"thread_ts": thread} if thread else {})
        ts: str = (await self.ask("chat.postMessage", **form))["ts"]
        return ts

    async def events(self) -> AsyncIterator[Json]:
        """Yield None when the socket is open, then each event, until the socket closes. Raises SlackError."""
        # HTTPS_PROXY counts for https alone.
        url = (await self.ask("apps.connections.open"))["url"].replace("wss://", "https://")
        try:
            async with self._session.ws_connect(url, ssl=self._tls, heartbeat=20.0) as socket:
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    envelope = message.json()
                    if envelope["type"] == "hello":
                        yield None
                    elif envelope["type"] == "events_api":
                        await socket.send_json({"envelope_id": envelope["envelope_id"]})
                        yield envelope["payload"]["event"]
                    elif envelope["type"] == "disconnect":
                        break
        except aiohttp.ClientError as problem:
            raise SlackError(str(problem)) from None
        except asyncio.TimeoutError:  # noqa: UP041 - as aiohttp documents it
            raise SlackError("timeout") from None


def _spelt(seconds: int) -> str:
    """Return a time as Go spells it: `3s`, `1m15s`, `1h0m0s`."""
    hours, minutes, rest = str(timedelta(seconds=seconds % 86_400)).split(":")
    whole = f"{int(hours) + seconds // 86_400 * 24}h{int(minutes)}m{int(rest)}s"
    return whole.removeprefix("0h").removeprefix("0m")
