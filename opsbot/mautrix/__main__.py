"""The stand-in's command line, which is mautrix-slack's: `python -m opsbot.mautrix -c config.yaml`."""

import argparse
import asyncio
import json
import signal
import sys
from collections import defaultdict
from pathlib import Path

import aiohttp
from aiohttp import web

from opsbot.mautrix.config import Config, load
from opsbot.mautrix.connection import UNTRIED, Connection
from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.memory import Memory
from opsbot.mautrix.model import ExitError, Login
from opsbot.mautrix.pages import Pages

_PINGS = 6
_PING_AGAIN = 5.0


class Bridge:
    """All logins of one bridge, and what keeps them at work."""

    def __init__(self, config: Config, session: aiohttp.ClientSession) -> None:
        self._config = config
        self._session = session
        self._memory = Memory(config.database)
        self._home = Homeserver(config, session)
        self._connections: dict[str, Connection] = {}
        #: One thing after the other in each channel, whichever login brings it.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._work: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until cancelled. Raises ExitError."""
        await self._home.greet()
        pages = Pages(
            self._config,
            self._memory,
            self._home,
            session=self._session,
            connections=self._connections,
            begin=self.begin,
            end=self.end,
        )
        runner = web.AppRunner(pages.application(), shutdown_timeout=1.0)
        await runner.setup()
        try:
            # First: the homeserver brings at once what was said meanwhile.
            for login in self._memory.logins():
                await self.begin(login)
            await web.TCPSite(runner, "127.0.0.1", self._config.port).start()
            await self._until_pinged()
            await asyncio.Event().wait()
        finally:
            for name in list(self._work):
                await self._stop(name)
            await runner.cleanup()
            self._memory.close()

    async def _until_pinged(self) -> None:
        for _ in range(_PINGS):
            if await self._home.ping():
                return
            await asyncio.sleep(_PING_AGAIN)
        raise ExitError(13, "Homeserver -> appservice connection is not working")

    async def begin(self, login: Login) -> None:
        """Remember a login and connect it."""
        await self._stop(login.id)
        self._memory.keep_login(login)
        before = self._connections.get(login.id)
        connection = Connection(
            self._config,
            self._memory,
            self._home,
            login=login,
            session=self._session,
            turns=self._turns,
            state=before.state if before else UNTRIED,
        )
        self._connections[login.id] = connection
        self._work[login.id] = asyncio.create_task(connection.run())

    async def end(self, name: str) -> None:
        """Forget a login."""
        await self._stop(name)
        self._memory.drop_login(name)
        self._connections.pop(name, None)

    async def _stop(self, name: str) -> None:
        task = self._work.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def main(config_file: Path) -> int:
    """Run a bridge until SIGTERM; return its exit code."""
    me = asyncio.current_task()
    assert me is not None  # noqa: S101 - asyncio runs this as a task
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    try:
        config = load(config_file)
        # Slack is behind HTTPS_PROXY; the homeserver is asked directly, for its address is not https.
        async with aiohttp.ClientSession(trust_env=True) as session:
            await Bridge(config, session).run()
    except ExitError as end:
        line = {"level": "fatal", "error": end.error, "message": str(end)}
        sys.stdout.write(json.dumps({key: words for key, words in line.items() if words}) + "\n")
        return end.code
    except asyncio.CancelledError:
        return 0
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="mautrix-slack")
    parser.add_argument("-c", "--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("-r", "--registration", type=Path, default=Path("registration.yaml"))
    sys.exit(asyncio.run(main(parser.parse_args().config)))
