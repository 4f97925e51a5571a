"""`/hooks/NAME` on the bot's own server: where other programs call plugins."""

import asyncio
from http import HTTPStatus

from aiohttp import web

from opsbot.hooks import Answer, Hooks
from opsbot.web.server import LARGEST

#: Seconds in which a body must be there.
PATIENCE = 10.0


def routes(hooks: Hooks, *, within: float = PATIENCE) -> list[web.RouteDef]:
    """Return the place of all hooks; WITHIN so many seconds a body must be there."""

    async def receive(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if hooks.hook(name) is None:
            return _response(await hooks.receive(name, {}, b""))  # whose body nobody wants
        try:
            async with asyncio.timeout(within):
                body = await request.read()
        except TimeoutError:
            return _response(Answer(status=HTTPStatus.REQUEST_TIMEOUT, sentence="The body did not come in time."))
        except web.HTTPRequestEntityTooLarge:
            sentence = f"A body has at most {LARGEST // 1024} KiB."
            return _response(Answer(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence=sentence))
        headers = {key.lower(): value for key, value in request.headers.items()}
        return _response(await hooks.receive(name, headers, body))

    return [web.post("/hooks/{name}", receive)]


def standing_by() -> list[web.RouteDef]:
    """Return the place of all hooks of a bot that only stands by: the sender is to try again later."""

    async def later(_: web.Request) -> web.Response:
        return _response(Answer(status=HTTPStatus.SERVICE_UNAVAILABLE, sentence="This bot stands by."))

    return [web.post("/hooks/{name}", later)]


def _response(answer: Answer) -> web.Response:
    more = {}
    if answer.status == HTTPStatus.UNAUTHORIZED:
        more = {"WWW-Authenticate": "Bearer"}
    elif answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        more = {"Retry-After": "30"}
    return web.Response(status=answer.status, text=f"{answer.sentence}\n", headers=more)
