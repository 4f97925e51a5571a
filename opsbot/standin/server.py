"""The SSH server of the stand-in machine: one user, one key, one forced command."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Mapping

import asyncssh

from opsbot.standin import pipes, processes
from opsbot.standin.paths import Layout

USER = "opsbot"
#: OpenSSH's own limit of channels on one connection.
_MAX_SESSIONS = 10
#: What a shell adds to the number of the signal that ended a command.
_SIGNALLED = 128


class _Session(asyncssh.SSHServerProcess[bytes]):
    """A channel that runs a command; no shell, no subsystem."""

    def __init__(self, server: "_Server") -> None:
        super().__init__(server.run, None, 0, False)  # noqa: FBT003 -- asyncssh's signature
        self._server = server

    def shell_requested(self) -> bool:
        return False

    def subsystem_requested(self, subsystem: str) -> bool:  # noqa: ARG002 -- asyncssh's signature
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.sessions -= 1
        super().connection_lost(exc)


class _Server(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, gate: "Gate") -> None:
        self._gate = gate
        self._connection: asyncssh.SSHServerConnection | None = None
        self.sessions = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._gate.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncssh's signature
        if self._connection is not None:
            self._gate.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        if username == USER and self._connection is not None:
            self._connection.set_authorized_keys(str(self._gate.layout.ssh / "authorized_keys"))
        return True

    def session_requested(self) -> tuple[asyncssh.SSHServerChannel[bytes], _Session]:
        if self.sessions >= _MAX_SESSIONS or self._connection is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "open failed")
        self.sessions += 1
        return self._connection.create_server_channel(encoding=None), _Session(self)

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run the forced command on a channel."""
        child = processes.start(
            [
                str(self._gate.layout.running / "sw/bin/opsbot-host"),
                "--config",
                str(self._gate.layout.host_json),
                "ssh",
            ],
            environment=self._gate.environment(process.command or ""),
            directory=str(self._gate.layout.root),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = self._gate.keep(child)
        gone = asyncio.create_task(process.channel.wait_closed())
        async with pipes.joined(child, process) as done:
            await asyncio.wait([gone, done], return_when=asyncio.FIRST_COMPLETED)
        if not gone.done():
            status = await end
            process.exit(status if status >= 0 else _SIGNALLED - status)
            await gone


class Gate:
    """The listening server; it can be shut and opened again on the same port."""

    def __init__(self, layout: Layout, base: Mapping[str, str]) -> None:
        self.layout = layout
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._base = base
        self._listener: asyncssh.SSHAcceptor | None = None
        self._children: set[asyncio.Task[int]] = set()

    def environment(self, command: str) -> dict[str, str]:
        """Return what the forced command finds in its environment."""
        return {**self._base, "USER": USER, "LOGNAME": USER, "SSH_ORIGINAL_COMMAND": command}

    def keep(self, child: subprocess.Popen[bytes]) -> asyncio.Task[int]:
        """Wait for a child even when its connection has gone, as sshd does."""
        task = asyncio.create_task(processes.ended(child))
        self._children.add(task)
        task.add_done_callback(self._children.discard)
        return task

    async def open(self) -> None:
        """Listen."""
        if self._listener is not None:
            return
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.layout.settings["port"]))
        self._listener = await asyncssh.listen(
            sock=listening,
            server_factory=lambda: _Server(self),
            server_host_keys=[str(self.layout.ssh / "ssh_host_ed25519_key")],
            password_auth=False,
            kbdint_auth=False,
            allow_pty=False,
            agent_forwarding=False,
            x11_forwarding=False,
            encoding=None,
        )

    async def shut(self) -> None:
        """Drop every connection and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for connection in list(self.connections):
            connection.abort()
        if listener is not None:
            await listener.wait_closed()


def base_environment(layout: Layout) -> dict[str, str]:
    """Return the environment of a session before it is one of somebody's."""
    keep = {key: os.environ[key] for key in ("HOME", "TZ") if key in os.environ}
    return {**keep, "LANG": "C.UTF-8", "PATH": layout.search_path}
