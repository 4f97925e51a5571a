"""The workspace as a server: everything that an app needs, started and stopped together."""

import contextlib
import secrets
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import BodyPartReader, web

from opsbot.workspace.api import Api
from opsbot.workspace.gate import Proxy, make_certificate
from opsbot.workspace.model import Json, Member, RefusedError, TooFastError
from opsbot.workspace.sockets import Sockets
from opsbot.workspace.team import Team

_LARGEST = 4 * 1024 * 1024


class Workspace:
    """Slack for one team, in a folder: `async with Workspace(folder, Team(manifest)) as workspace`."""

    def __init__(self, folder: Path, team: Team) -> None:
        self._folder = folder
        self.team = team
        self.api = Api(team=team)
        self.sockets = Sockets(team)
        self.bot_token = f"xoxb-{secrets.token_hex(8)}"
        self.app_token = f"xapp-{secrets.token_hex(8)}"
        self._revoked: set[str] = set()
        #: The methods that Slack answers with an error of its own.
        self.broken: set[str] = set()
        #: The tokens of apps that speak as a member: the bot's and the app's kind, by the member's id.
        self._members: dict[str, tuple[str, str]] = {}
        #: Each call with the code of its answer, "ok" or Slack's word.
        self.calls: list[tuple[str, str]] = []
        self._runner: web.AppRunner | None = None
        self.proxy: Proxy | None = None
        self._authority = folder / "authority.pem"

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._authority, context = make_certificate(self._folder)
        app = web.Application(client_max_size=_LARGEST)
        app.add_routes(
            [
                web.post("/api/{method}", self._call),
                web.post("/upload/v1/{file}", self._upload),
                web.get("/files-pri/{file}", self._file),
                web.get("/link/", self.sockets.serve),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.proxy = Proxy(self._runner.addresses[0][1])
        await self.proxy.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.proxy is not None:
            await self.proxy.stop()
        await self.sockets.drop()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to take this for Slack."""
        assert self.proxy is not None  # noqa: S101 - it is asked for while it runs
        return {"HTTPS_PROXY": self.proxy.url, "SSL_CERT_FILE": str(self._authority)}

    def tokens_of(self, member: Member) -> tuple[str, str]:
        """Return the two tokens of an app of a member's own, which speaks as that member."""
        made = f"xoxb-{secrets.token_hex(8)}", f"xapp-{secrets.token_hex(8)}"
        return self._members.setdefault(member.id, made)

    def revoke(self, token: str) -> None:
        """Make a token worthless."""
        self._revoked.add(token)

    def honour(self, token: str) -> None:
        """Let a token that was revoked count again."""
        self._revoked.discard(token)

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or form.get("token", "")

        def is_gone() -> bool:
            return request.transport is None or request.transport.is_closing()

        if method in self.broken:
            self.calls.append((method, "broken"))
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="<html>")
        await self.api.weather.wait(form.get("blocks", ""), is_gone)
        if is_gone():
            # And the question with it.
            self.calls.append((method, "gone"))
            return web.Response(status=400)
        try:
            result = self._answer(method, token, form)
        except RefusedError as refused:
            self.calls.append((method, refused.code))
            return web.json_response({"ok": False, "error": refused.code, **refused.more})
        except TooFastError as wait:
            self.calls.append((method, "ratelimited"))
            refusal = {"ok": False, "error": "ratelimited"}
            return web.json_response(refusal, status=429, headers={"Retry-After": str(wait.wait)})
        self.calls.append((method, "ok"))
        return web.json_response({"ok": True, **result})

    def _answer(self, method: str, token: str, form: dict[str, str]) -> Json:
        pairs = {self.team.app.user: (self.bot_token, self.app_token), **self._members}
        user, (bot_token, _) = next((one for one in pairs.items() if token in one[1]), ("", ("", "")))
        if not user or token in self._revoked:
            raise RefusedError("invalid_auth")
        if (token == bot_token) is (method == "apps.connections.open"):
            raise RefusedError("not_allowed_token_type")
        if method != "apps.connections.open":
            return replace(self.api, user=user).answer(method, form)
        if not self.team.app.socket_mode:
            raise RefusedError("forbidden_for_socket_mode")
        return {"url": self.sockets.ticket(user)}

    async def _upload(self, request: web.Request) -> web.Response:
        content = b""
        if request.content_type.startswith("multipart/"):
            async for part in await request.multipart():
                if isinstance(part, BodyPartReader):
                    content += await part.read()
        else:
            content = await request.read()
        with contextlib.suppress(RefusedError):
            self.api.files.bring(request.match_info["file"], content)
            return web.Response(text="OK")
        return web.Response(status=400)

    async def _file(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        content = self.api.files.contents.get(request.match_info["file"])
        if token != self.bot_token or "files:read" not in self.team.app.scopes or content is None:
            # Slack sends a page on which to log in.
            return web.Response(text="<!DOCTYPE html>", content_type="text/html")
        return web.Response(body=content)
