"""The cable between the bot and its host's sshd, which can be pulled in two ways."""

import asyncio
import contextlib
import socket
import struct
from typing import Self


class Link:
    """A TCP proxy before a PORT on loopback. `async with Link(port) as link`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._silent = False
        self.port = 0
        #: The transports of each connection, and whether what comes in on it goes nowhere.
        self._open: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._dead: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        await asyncio.gather(*self._open, return_exceptions=True)

    def reset(self) -> int:
        """End every connection with a reset; return how many there were."""
        for writers in self._open.values():
            for writer in writers:
                # No goodbye: whoever writes next is told that nobody knows of the connection.
                with contextlib.suppress(OSError, AttributeError):
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                writer.transport.abort()
        return len(self._open)

    def go_silent(self) -> int:
        """Let what comes in go nowhere from now on; return how many connections know nothing of it."""
        self._silent = True
        self._dead |= {writer for writers in self._open.values() for writer in writers}
        return len(self._open)

    def heal(self) -> None:
        """Let new connections through; those from before stay silent, as behind a firewall that forgot them."""
        self._silent = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open[task] = (writer, far_writer)
        if self._silent:
            self._dead |= {writer, far_writer}
        try:
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        finally:
            del self._open[task]
            self._dead -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if sink not in self._dead:
                    sink.write(data)
                    await sink.drain()
        if sink not in self._dead:
            with contextlib.suppress(OSError):
                sink.close()
