from collections.abc import Callable, Mapping
from typing import Any, Self

from aiohttp import web

TOKEN = "0123456789abcdef0123456789abcdef01234567"


class FakeForgejo:
    """A Forgejo with one repository, on the loopback: as strict about paths, tokens and bodies as the real one.

    `trouble` makes it answer every question in another way.
    """

    def __init__(self, *, branches: tuple[str, ...] = ("main",), push: bool = True) -> None:
        self.branches = list(branches)
        self.push = push
        self.pulls: dict[tuple[str, str], dict[str, Any]] = {}
        self.trouble: Callable[[], web.Response] | None = None
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.url = ""
        app = web.Application(middlewares=[self._door])
        app.router.add_get("/api/v1/version", self._version)
        app.router.add_get("/api/v1/repos/team/ops-jrz1", self._repository)
        app.router.add_post("/api/v1/repos/team/ops-jrz1/pulls", self._open)
        app.router.add_get("/api/v1/repos/team/ops-jrz1/pulls/{base}/{head:.+}", self._find)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _door(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        self.asked.append((f"{request.method} {request.raw_path}", request.headers))
        if self.trouble:
            return self.trouble()
        if request.headers.get("Authorization") != f"token {TOKEN}":
            return _no(401, "invalid username, password or token")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "13.0.2+gitea-1.22.0"})

    async def _repository(self, _: web.Request) -> web.Response:
        return web.json_response({"full_name": "team/ops-jrz1", "permissions": {"push": self.push, "pull": True}})

    async def _open(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if set(wanted) != {"head", "base", "title", "body"} or not wanted["title"]:
            return _no(422, "[Title]: Required")
        if wanted["head"] not in self.branches or wanted["base"] not in self.branches:
            return _no(404, "The target couldn't be found.")
        if not self.push:
            return _no(403, "token does not have at least one of required scope(s): [write:repository]")
        names = (wanted["base"], wanted["head"])
        if names in self.pulls:
            return _no(409, f"pull request already exists for these targets [id: 1, head_branch: {names[1]}]")
        number = len(self.pulls) + 1
        self.pulls[names] = wanted | {"number": number, "html_url": f"{self.url}/team/ops-jrz1/pulls/{number}"}
        return web.json_response(self.pulls[names], status=201)

    async def _find(self, request: web.Request) -> web.Response:
        found = self.pulls.get((request.match_info["base"], request.match_info["head"]))
        return web.json_response(found) if found else _no(404, "The target couldn't be found.")


def _no(status: int, message: str) -> web.Response:
    return web.json_response({"message": message, "url": "/api/swagger"}, status=status)
