"""One account on one homeserver: requests, and answers as JSON. Why without matrix-nio is in docs/decisions/sync.md."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from opsbot.errors import ChatUnreachableError
from opsbot.matrix.events import mapping, text
from opsbot.matrix.problems import AnswerError, HomeserverUnwellError, TokenRefusedError

#: Seconds, at most, that a homeserver may tell us to wait.
LONGEST_WAIT = 300.0
#: How much is kept of what a homeserver says about an error.
_LONGEST_WORDS = 300
_LONGEST_CODE = 100
_TOO_MANY = 429
_TOO_LARGE = 413
_UNAUTHORISED = 401


def ignored(secret: str) -> None:
    """Tell nobody."""
    del secret


class Client:
    """Asks a homeserver as one account. ON_SECRET is told each token, for a password's is in no file."""

    def __init__(self, url: str, *, patience: float, on_secret: Callable[[str], None] = ignored) -> None:
        #: Opened with the first request.
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._patience = patience
        self._on_secret = on_secret
        self.url = url
        #: The account that is logged in; empty before.
        self.user_id = ""

    @property
    def logged_in(self) -> bool:
        """Whether there is a token to ask with."""
        return bool(self._token)

    def log_in(self, *, user_id: str, token: str) -> None:
        """Ask with this token from now on."""
        self._on_secret(token)
        self.user_id, self._token = user_id, token

    async def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str | int] | None = None,
        content: Any = None,
        within: float | None = None,
    ) -> Any:
        """Ask the client-server API for a PATH of unquoted parts, WITHIN so many seconds; return the JSON answer.

        Raises ChatUnreachableError when nobody answers, HomeserverUnwellError when it should be asked again later,
        TokenRefusedError, and AnswerError when it will say no again.
        """
        address = self.url.rstrip("/") + "/_matrix/client/v3/" + "/".join(quote(part, safe="") for part in path)
        if query:
            address += "?" + urlencode(query)
        status, wait, body = await self._request(method, address, content, within or self._patience)
        return read_answer(status, wait, body)

    async def _request(self, method: str, address: str, content: Any, within: float) -> tuple[int, str, bytes]:
        headers = {"Content-Type": "application/json"}
        if self.logged_in:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if content is None else json.dumps(content)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout())
        try:
            async with asyncio.timeout(within):
                async with self._session.request(method, address, data=data, headers=headers) as answer:
                    return answer.status, answer.headers.get("Retry-After", ""), await answer.read()
        except TimeoutError:
            raise ChatUnreachableError(f"The homeserver did not answer within {within:g} s.") from None
        except (aiohttp.ClientError, OSError) as problem:
            raise ChatUnreachableError(
                f"The homeserver cannot be reached: {problem or type(problem).__name__}"
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def read_answer(status: int, wait: str, body: bytes) -> Any:
    """Return the JSON of an answer with this STATUS and Retry-After; raises what `Client.ask` does."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    code = text(mapping(answer).get("errcode"))[:_LONGEST_CODE]
    words = text(mapping(answer).get("error"))[:_LONGEST_WORDS] or code or "no reason given"
    if status == _TOO_MANY:
        raise HomeserverUnwellError(f"The homeserver wants fewer requests: {words}", wait=_wait(answer, wait))
    if status < 300 and answer is not None:  # noqa: PLR2004 - HTTP's successes
        return answer
    if status == _UNAUTHORISED and code in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"):
        raise TokenRefusedError
    if 400 <= status < 500 and (code or status == _TOO_LARGE):  # noqa: PLR2004 - a proxy's errors are not the homeserver's
        raise AnswerError(f"The homeserver said no ({status} {code}): {words}", status=status, code=code)
    raise HomeserverUnwellError(f"The homeserver is not well: it answered {status}, {words}.")


def _wait(answer: Any, header: str) -> float:
    milliseconds = mapping(answer).get("retry_after_ms")
    # Not a number is no comparison's equal, and JSON has it all the same.
    if isinstance(milliseconds, int | float) and milliseconds == milliseconds:  # noqa: PLR0124 - see above
        return min(max(milliseconds, 0), LONGEST_WAIT * 1000) / 1000
    return min(float(header), LONGEST_WAIT) if header.isdecimal() else 1.0
