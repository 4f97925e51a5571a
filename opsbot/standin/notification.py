"""Where a service says that it is ready."""

import asyncio
import socket
from typing import Self


class Notification:
    """A socket for a `Type=notify` service; any other is ready at once, and gets none."""

    def __init__(self, *, wanted: bool) -> None:
        self.environment: dict[str, str] = {}
        self._socket: socket.socket | None = None
        if wanted:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.bind("")
            self.environment["NOTIFY_SOCKET"] = "@" + self._socket.getsockname()[1:].decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    async def ready(self) -> None:
        """Wait for READY=1."""
        if self._socket is None:
            return
        said = b""
        while b"READY=1" not in said:
            said = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
