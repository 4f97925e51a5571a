"""The forge: Forgejo's API, for what git alone cannot do."""

from http import HTTPStatus
from urllib.parse import quote

import aiohttp
from yarl import URL

from opsbot.answers import reason
from opsbot.errors import ForgeError
from opsbot.model import Json

#: Seconds for one question.
WITHIN = 10.0


class Forgejo:
    """One repository on a Forgejo at URL, as the owner of a TOKEN sees it; BRANCH is where requests are to go."""

    def __init__(self, url: str, repository: str, token: str, *, branch: str = "main", within: float = WITHIN) -> None:
        self._api = f"{url.rstrip('/')}/api/v1"
        self._repository = repository
        self._branch = branch
        self._token = token
        self._within = within

    async def open_pull_request(self, *, branch: str, title: str, body: str) -> str:
        """Ask for BRANCH to be merged; return the request's address.

        When there is such a request already, that one is returned. Raises ForgeError.
        """
        wanted = {"head": branch, "base": self._branch, "title": title, "body": body}
        status, said = await self._ask("POST", f"{self._path}/pulls", wanted)
        if status == HTTPStatus.CONFLICT:
            names = f"{quote(self._branch, safe='')}/{quote(branch)}"
            status, said = await self._ask("GET", f"{self._path}/pulls/{names}")
        self._check(status, said, f"no pull request for {branch} could be opened")
        return _word(said, "html_url")

    async def version(self) -> str:
        """Return the forge's version. Raises ForgeError."""
        status, said = await self._ask("GET", "/version")
        self._check(status, said, "the forge does not tell its version")
        return _word(said, "version")

    async def may_push(self) -> bool:
        """Tell whether the token may write to the repository, and so open requests. Raises ForgeError."""
        status, said = await self._ask("GET", self._path)
        self._check(status, said, f"the repository {self._repository} cannot be read")
        permissions = said.get("permissions") if isinstance(said, dict) else None
        return isinstance(permissions, dict) and permissions.get("push") is True

    @property
    def _path(self) -> str:
        return f"/repos/{self._repository}"

    async def _ask(self, method: str, path: str, content: Json = None) -> tuple[int, Json]:
        headers = {"Authorization": f"token {self._token}", "Accept": "application/json"}
        address = URL(self._api + path, encoded=True)
        patience = aiohttp.ClientTimeout(total=self._within)
        try:
            async with (
                aiohttp.ClientSession(timeout=patience, headers=headers) as session,
                # A redirect to elsewhere must not carry the token with it.
                session.request(method, address, json=content, allow_redirects=False) as answer,
            ):
                said = await answer.json(content_type=None) if answer.content_type == "application/json" else None
                return answer.status, said
        except TimeoutError:
            raise ForgeError(f"The forge did not answer within {self._within:g} s.") from None
        except aiohttp.ClientConnectorError as error:
            raise ForgeError(f"The forge cannot be reached: {reason(error.os_error)}.") from None
        except (aiohttp.ClientError, OSError, ValueError, RecursionError):
            raise ForgeError("The forge did not answer as one.") from None

    def _check(self, status: int, said: Json, what: str) -> None:
        if status in {HTTPStatus.OK, HTTPStatus.CREATED} and isinstance(said, dict):
            return
        match status:
            case HTTPStatus.UNAUTHORIZED:
                why = "the forge does not know the token"
            case HTTPStatus.FORBIDDEN:
                why = "the token may not do it; its scope must include write:repository"
            case HTTPStatus.NOT_FOUND:
                why = "the forge has no such repository or branch, or does not show it to the token's owner"
            case _:
                message = said.get("message") if isinstance(said, dict) else None
                why = str(message).partition("\n")[0][:200] if message else f"HTTP status {status}"
        raise ForgeError(f"{what[0].upper()}{what[1:]}: {why}.")


def _word(said: Json, key: str) -> str:
    word = said.get(key) if isinstance(said, dict) else None
    if not isinstance(word, str) or not word:
        raise ForgeError("The forge did not answer as one.")
    return word
