"""Joins the pipes of a child process to an SSH channel."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from typing import IO, Any

import asyncssh

_PIECE = 65536


async def _down(channel: asyncssh.SSHReader[bytes], pipe: IO[bytes]) -> None:
    """Carry what the client sends to the child's standard input, until its end."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    with contextlib.suppress(ConnectionError, asyncssh.Error), contextlib.closing(transport):
        while data := await channel.read(_PIECE):
            writer.write(data)
            await writer.drain()


async def _up(pipe: IO[bytes], channel: asyncssh.SSHWriter[bytes]) -> None:
    """Carry what the child writes to the client, until its end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    with contextlib.suppress(ConnectionError, asyncssh.Error), contextlib.closing(transport):
        while data := await reader.read(_PIECE):
            channel.write(data)
            await channel.drain()


@contextlib.asynccontextmanager
async def joined(
    child: subprocess.Popen[bytes], process: asyncssh.SSHServerProcess[bytes]
) -> AsyncIterator["asyncio.Task[Any]"]:
    """Join a child's three pipes to a channel; the task is done when the child's output has ended.

    On leaving, the pipes are closed, so that a child that goes on writing notices it.
    """
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise ValueError("the child has no pipes")
    down = asyncio.create_task(_down(process.stdin, child.stdin))
    up = [
        asyncio.create_task(_up(child.stdout, process.stdout)),
        asyncio.create_task(_up(child.stderr, process.stderr)),
    ]
    done = asyncio.create_task(asyncio.wait(up))
    try:
        yield done
    finally:
        for task in (down, done, *up):
            task.cancel()
        await asyncio.wait([down, done, *up])
