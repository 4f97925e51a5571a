"""The bot's own HTTP server: for those who watch it, and for programs that call hooks of plugins."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from opsbot.errors import ConfigError

Sentence = Callable[[], Awaitable[str | None]]

#: Bytes of the largest body of a request.
LARGEST = 1024 * 1024
_UNAVAILABLE = 503


@dataclass(frozen=True, kw_only=True)
class Pages:
    """What the server's pages show; each is asked anew for every request."""

    #: The sentence of what does not turn any more; None when all is well.
    stopped: Sentence
    #: Why the bot can be of no use yet; None when it can.
    not_ready: Sentence
    #: The figures, as Prometheus reads them.
    figures: Callable[[], Awaitable[bytes]]

    def routes(self) -> list[web.RouteDef]:
        """Return `/healthz`, `/readyz` and `/metrics`."""
        return [
            web.get("/healthz", _verdict(self.stopped)),
            web.get("/readyz", _verdict(self.not_ready)),
            web.get("/metrics", self._metrics),
        ]

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=await self.figures(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _verdict(problem: Sentence) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        sentence = await problem()
        if sentence is None:
            return web.Response(text="well\n")
        return web.Response(status=_UNAVAILABLE, text=f"{sentence}\n")

    return answer


@asynccontextmanager
async def serve(listen: str, routes: Sequence[web.RouteDef]) -> AsyncIterator[str]:
    """Serve ROUTES at ADDRESS:PORT, or at the path of a Unix socket; give where. Raises ConfigError if it is taken."""
    app = web.Application(client_max_size=LARGEST)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _start(runner, listen)
        yield _place(runner.addresses[0])
    finally:
        await runner.cleanup()


async def _start(runner: web.AppRunner, listen: str) -> None:
    try:
        await _site(runner, listen).start()
    except OSError as error:
        raise ConfigError(f"listen: nothing can be heard at {listen}: {error.strerror or error}.") from None


def _site(runner: web.AppRunner, listen: str) -> web.BaseSite:
    if listen.startswith("/"):
        return web.UnixSite(runner, listen)
    address, _, port = listen.rpartition(":")
    return web.TCPSite(runner, address.strip("[]"), int(port))


def _place(address: tuple[str, int] | str) -> str:
    if isinstance(address, str):
        return address
    host, port, *_ = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
