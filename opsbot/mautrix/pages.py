"""What the bridge answers: to the homeserver, to whoever asks whether it lives, and to those who set it up."""

import itertools
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web

from opsbot.mautrix.config import Config
from opsbot.mautrix.connection import Connection
from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.memory import Memory
from opsbot.mautrix.model import Json, Login, SlackError
from opsbot.mautrix.puppets import PUPPET, puppeted
from opsbot.mautrix.slack import Slack

_STEP = "fi.mau.slack.login.enter_app_tokens"
_FLOWS = [{"name": "Slack app", "description": "Log in with a Slack app", "id": "app"}]
_FIELDS = [
    {"type": "token", "id": "bot_token", "name": "Bot token", "pattern": "^xoxb-.+$"},
    {"type": "token", "id": "app_token", "name": "App token", "pattern": "^xapp-.+$"},
]


class Pages:
    """The bridge's HTTP server. BEGIN starts a login's connection, END stops one."""

    def __init__(
        self,
        config: Config,
        memory: Memory,
        home: Homeserver,
        *,
        session: aiohttp.ClientSession,
        connections: dict[str, Connection],
        begin: Callable[[Login], Awaitable[None]],
        end: Callable[[str], Awaitable[None]],
    ) -> None:
        self._config = config
        self._memory = memory
        self._home = home
        self._session = session
        self._connections = connections
        self._begin = begin
        self._end = end
        self._numbers = itertools.count(1)
        self._open: set[str] = set()

    def application(self) -> web.Application:
        """Return the pages."""
        v3 = "/_matrix/provision/v3"
        app = web.Application()
        app.add_routes(
            [
                web.put("/_matrix/app/v1/transactions/{txn}", self._transaction),
                web.post("/_matrix/app/v1/ping", self._nothing),
                web.get("/_matrix/mau/live", self._nothing),
                web.get("/_matrix/mau/ready", self._nothing),
                web.get(f"{v3}/whoami", self._whoami),
                web.get(f"{v3}/login/flows", self._flows),
                web.post(f"{v3}/login/start/{{flow}}", self._start),
                web.post(f"{v3}/login/step/{{login}}/{{step}}/user_input", self._step),
                web.post(f"{v3}/logout/{{login}}", self._logout),
            ]
        )
        return app

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _transaction(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self._config.hs_token}":
            return _no(403, "M_FORBIDDEN", "Bad token")
        if self._memory.is_new("taken", request.match_info["txn"]):
            ours = (self._config.bot, f"@{self._config.sender}-hidden:{self._config.domain}")
            for event in (await request.json())["events"]:
                ghost = event["sender"].startswith("@slack_") and event["sender"].endswith(f":{self._config.domain}")
                if event["sender"] not in ours and not ghost:
                    await self._carry_out(event)
        return web.json_response({})

    async def _carry_out(self, event: Json) -> None:
        """Carry an event over with the login of its sender; without one, let the bot's say that there is none."""
        content = event.get("content", {})
        if PUPPET in content:
            return
        if await puppeted(event, self._memory, self._home):
            return
        every = list(self._connections.values())
        own = [one for one in every if one.login.owner == event["sender"]]
        for connection in own or [one for one in every if not one.login.member]:
            connection.carry_out(event)

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != f"Bearer {self._config.secret}":
            return _no(401, "M_UNKNOWN_TOKEN", "Invalid auth token")
        if not self._config.may_log_in(request.query.get("user_id", "")):
            return _no(403, "M_FORBIDDEN", "User does not have login permissions")
        return None

    async def _whoami(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        user = request.query["user_id"]
        answer: Json = {
            "network": {"displayname": "Slack", "network_url": "https://slack.com", "network_id": "slack"},
            "login_flows": _FLOWS,
            "homeserver": self._config.domain,
            "bridge_bot": self._config.bot,
            "command_prefix": "!slack",
            "logins": [one.json() for one in self._connections.values() if one.login.owner == user],
        }
        return web.json_response(answer)

    async def _flows(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.json_response({"flows": _FLOWS})

    async def _start(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if request.match_info["flow"] != "app":
            return _no(404, "M_NOT_FOUND", "Login flow not found")
        login = f"login{next(self._numbers)}"
        self._open.add(login)
        step = {"login_id": login, "type": "user_input", "step_id": _STEP, "user_input": {"fields": _FIELDS}}
        return web.json_response(step)

    async def _step(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        name = request.match_info["login"]
        if name not in self._open or request.match_info["step"] != _STEP:
            return _no(404, "M_NOT_FOUND", "Login not found")
        self._open.discard(name)
        try:
            login = await self._log_in(request.query["user_id"], await request.json())
        except SlackError as problem:
            internal = {"fi.mau.internal_error": f"auth.test failed: {problem}"}
            return _no(500, "M_UNKNOWN", "Internal error in login step", **internal)
        await self._begin(login)
        complete = {"login_id": name, "type": "complete", "step_id": "fi.mau.slack.login.complete"}
        return web.json_response(complete | {"complete": {"user_login_id": login.id}})

    async def _log_in(self, owner: str, tokens: Json) -> Login:
        bot_token, app_token = tokens.get("bot_token", ""), tokens.get("app_token", "")
        slack = Slack(self._session, bot_token=bot_token, app_token=app_token)
        me = await slack.ask("auth.test")
        team = (await slack.ask("team.info"))["team"]
        return Login(
            owner=owner,
            team=team["id"],
            team_name=team["name"],
            user=me["user_id"],
            user_name=me["user"],
            bot_token=bot_token,
            app_token=app_token,
            member=not me.get("bot_id"),
        )

    async def _logout(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        await self._end(request.match_info["login"])
        return web.json_response({})


def _no(status: int, code: str, words: str, **more: str) -> web.Response:
    return web.json_response({"errcode": code, "error": words, **more}, status=status)
