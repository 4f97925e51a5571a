import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Speaker
from opsbot.matrix.settings import MatrixSettings
from tests.matrix.proxy import Proxy


@dataclass(frozen=True, kw_only=True)
class Place:
    """A homeserver with a room, somebody in it, and an account for the bot."""

    homeserver: Homeserver
    folder: Path
    ada: Speaker
    bot_id: str
    room_id: str
    settings: MatrixSettings
    stack: AsyncExitStack

    async def speaker(self, name: str) -> Speaker:
        """Make somebody else."""
        token = await self.homeserver.register(f"{name}-{uuid.uuid4().hex[:8]}", "password")
        return await self.stack.enter_async_context(Speaker.with_token(self.homeserver.url, token))

    async def as_bot(self) -> Speaker:
        """Speak as the bot itself."""
        assert self.settings.token_file is not None
        token = self.settings.token_file.read_text()
        return await self.stack.enter_async_context(Speaker.with_token(self.homeserver.url, token))

    async def bot_is_in(self, room_id: str) -> bool:
        """Whether the bot is in a room."""
        me = await self.as_bot()
        return room_id in (await me.ask("GET", "joined_rooms"))["joined_rooms"]

    def through(self, proxy: Proxy) -> MatrixSettings:
        """The bot's settings with a proxy between it and its homeserver."""
        return replace(self.settings, homeserver=proxy.url)


async def until(holds: Callable[[], Awaitable[bool]], *, within: float = 20.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


async def make_place(homeserver: Homeserver, folder: Path, stack: AsyncExitStack) -> Place:
    """Make a room with somebody in it, and invite the bot."""
    mark = uuid.uuid4().hex[:8]
    token_file = folder / "token"
    token_file.write_text(await homeserver.register(f"opsbot-{mark}", "password"))
    token = await homeserver.register(f"ada-{mark}", "password")
    ada = await stack.enter_async_context(Speaker.with_token(homeserver.url, token))
    bot_id = f"@opsbot-{mark}:{homeserver.server_name}"
    room_id = await ada.create_room(bot_id)
    settings = MatrixSettings(
        homeserver=homeserver.url, token_file=token_file, rooms=frozenset({room_id}), edit_gap=0.0, poll=5.0
    )
    return Place(
        homeserver=homeserver,
        folder=folder,
        ada=ada,
        bot_id=bot_id,
        room_id=room_id,
        settings=settings,
        stack=stack,
    )


@pytest.fixture
async def place(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Place]:
    """A room of one's own on the homeserver that all tests share."""
    async with AsyncExitStack() as stack:
        yield await make_place(homeserver, tmp_path, stack)


@pytest.fixture
async def proxy(place: Place) -> AsyncIterator[Proxy]:
    """A proxy before the homeserver that all tests share."""
    async with Proxy(place.homeserver.url) as opened:
        yield opened
