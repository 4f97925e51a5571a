"""The chat edge over a database in a folder, for tests; run as a program, it sends until it is killed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from opsbot.letters import Memory
from opsbot.matrix.edge import MatrixEdge
from opsbot.matrix.settings import MatrixSettings
from opsbot.model import Message, Post, Text
from opsbot.store.database import Database
from opsbot.store.inbox import Inbox
from opsbot.store.memory import Memory as StoredMemory
from opsbot.store.outbox import Outbox


class Bot:
    """A running chat edge with what belongs to it."""

    def __init__(self, database: Database, settings: MatrixSettings, **hooks: Any) -> None:
        self.inbox = Inbox(database)
        self.outbox = Outbox(database)
        self.memory: Memory = StoredMemory(database)
        self.edge = MatrixEdge(settings, inbox=self.inbox, outbox=self.outbox, memory=self.memory, **hooks)
        self._database = database

    async def heard(self, *bodies: str, within: float = 30.0) -> list[Message]:
        """Wait until these bodies are in the inbox, and return all its messages in order."""
        async with asyncio.timeout(within):
            while True:
                written = self._database.next_write()
                messages = await self.inbox.open_messages()
                if set(bodies) <= {message.body for message in messages}:
                    return messages
                await written.wait()

    async def say(self, cause: str, room_id: str, *, edits: str | None = None, thread: str | None = None) -> None:
        """Post a message that says its cause."""
        text = Text(body=cause, html=f"<b>{cause}</b>")
        await self.outbox.post(Post(cause=cause, room_id=room_id, text=text, edits=edits, thread=thread))


@asynccontextmanager
async def running(folder: Path, settings: MatrixSettings, **hooks: Any) -> AsyncIterator[Bot]:
    """Run a bot over the database in a folder until the block ends."""
    async with opened(folder, settings, **hooks) as bot:
        task = asyncio.create_task(bot.edge.run())
        try:
            yield bot
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def opened(folder: Path, settings: MatrixSettings, **hooks: Any) -> AsyncIterator[Bot]:
    """Open a bot that does not run."""
    database = Database(f"sqlite:///{folder}/opsbot.db")
    bot = Bot(database, settings, **hooks)
    try:
        await bot.edge.start()
        yield bot
    finally:
        await bot.edge.close()
        await database.close()


async def main(folder: str, url: str, token_file: str, room_id: str) -> None:
    """Send what is in the outbox until killed."""
    settings = MatrixSettings(homeserver=url, token_file=Path(token_file), rooms=frozenset({room_id}))
    async with running(Path(folder), settings):
        await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
