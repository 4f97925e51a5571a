"""A managed host over SSH: one kept connection, one channel a question. The only file of the bot that speaks SSH."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import asyncssh

from opsbot import answers
from opsbot.errors import ConfigError, HostError
from opsbot.model import Json

_T = TypeVar("_T")

CONNECT = 10.0
#: OpenSSH refuses the eleventh channel of a connection; four are left for those that a busy host has not yet let go.
CHANNELS = 6
LONGEST_ANSWER = 1024 * 1024
_PIECE = 64 * 1024
LONGEST_COMPLAINT = 4096
_ALGORITHMS = ("ssh-ed25519", *(f"ecdsa-sha2-nistp{size}" for size in (256, 384, 521)), "rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a host is, who the bot is there, and the two keys: its own and the host's."""

    address: str
    port: int = 22
    user: str = "opsbot"
    #: A private key in OpenSSH's format, without a passphrase.
    key: str = field(repr=False)
    #: The host's public key, as in `ssh-ed25519 AAAA…`.
    host_key: str


class SshHost:
    """A host behind SSH.

    PATIENCE is how many seconds of silence a connection may have before it counts as lost.
    """

    def __init__(self, name: str, address: Address, *, patience: float = 15.0) -> None:
        self.name = name
        self._address = address
        self._patience = patience
        try:
            self._key = asyncssh.import_private_key(address.key)
            self._host_key = asyncssh.import_public_key(address.host_key)
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise ConfigError(f"The SSH key for {name} is no private key of OpenSSH's without a passphrase.") from None
        self._channels = asyncio.Semaphore(CHANNELS)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connecting: asyncio.Task[asyncssh.SSHClientConnection] | None = None

    async def ask(self, verb: str, arguments: Mapping[str, Json] | None = None, *, within: float = 30.0) -> Json:
        """Ask one VERB and return its result, WITHIN so many seconds.

        Raises HostError when the host said no, HostUnreachableError when it is not known what it did.
        """
        try:
            async with asyncio.timeout(within):
                channel = await self._open(verb, arguments)
                try:
                    return await channel.answer()
                finally:
                    channel.close()
        except TimeoutError:
            raise answers.lost(self.name, f"no answer to {verb} within {within:g} s") from None

    async def follow(self, job: str, log: str, offset: int, *, seconds: int = 60) -> AsyncIterator[Json]:
        """Yield the lines of a log from a byte OFFSET on, for so many seconds; the last item is `{"state": …}`.

        Raises as `ask` does, and HostUnreachableError also when nothing at all is heard for a while.
        """
        arguments = {"job": job, "log": log, "offset": offset, "seconds": seconds}
        channel = await self._in_time(self._open("follow", arguments))
        try:
            while "ok" not in (said := await self._in_time(channel.line())):
                if "text" in said:
                    yield said
            yield {"state": answers.result(said)}
        finally:
            channel.close()

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection is not None:
            self._connection.abort()
            await self._connection.wait_closed()
        self._connection = self._connecting = None

    async def _in_time(self, work: Coroutine[None, None, _T]) -> _T:
        try:
            async with asyncio.timeout(self._patience):
                return await work
        except TimeoutError:
            raise answers.lost(self.name, f"nothing was heard for {self._patience:g} s") from None

    async def _open(self, verb: str, arguments: Mapping[str, Json] | None) -> "_Channel":
        # Who waits for a host that is down must not wait in a line of six as well.
        await self._connected()
        await self._channels.acquire()
        try:
            connection = await self._connected()
            process = await connection.create_process(verb, encoding=None)
        except BaseException as error:
            self._channels.release()
            if isinstance(error, asyncssh.ChannelOpenError) and self._connection is not None:
                # The host still has channels that we gave up; a new connection has all of its own.
                self._connection.close()
            if isinstance(error, asyncssh.Error | OSError):
                raise answers.lost(self.name, answers.reason(error)) from None
            raise
        channel = _Channel(self.name, process, on_close=self._channels.release)
        channel.say(json.dumps(arguments or {}).encode())
        return channel

    async def _connected(self) -> asyncssh.SSHClientConnection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        # All who wait share one attempt, and its error.
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name=f"connect to {self.name}")
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> asyncssh.SSHClientConnection:
        pin = _Pin(self._host_key)
        try:
            async with asyncio.timeout(CONNECT):
                self._connection = await self._dial(pin)
        except asyncssh.HostKeyNotVerifiable:
            raise answers.other_key(self.name, shown=pin.shown, wanted=pin.wanted) from None
        except asyncssh.PermissionDenied:
            why = f"it does not let {self._address.user} in with our key {self._key.get_fingerprint()}"
            raise answers.lost(self.name, f"{why}; add that key to the host's configuration") from None
        except TimeoutError:
            raise answers.lost(self.name, f"no connection within {CONNECT:g} s") from None
        except (asyncssh.Error, OSError) as error:
            raise answers.lost(self.name, answers.reason(error)) from None
        return self._connection

    async def _dial(self, pin: "_Pin") -> asyncssh.SSHClientConnection:
        # asyncssh asks for it although it is to read nothing there, and a service's dynamic user has none.
        os.environ.setdefault("HOME", os.sep)
        return await asyncssh.connect(
            self._address.address,
            self._address.port,
            username=self._address.user,
            client_keys=[self._key],
            client_factory=lambda: pin,
            known_hosts=([], [], []),
            server_host_key_algs=pin.algorithms(),
            preferred_auth="publickey",
            agent_path=None,
            config=None,
            keepalive_interval=self._patience / 3,
            keepalive_count_max=3,
        )


class _Pin(asyncssh.SSHClient):
    """Trusts one host key, and remembers what it was shown."""

    def __init__(self, key: asyncssh.SSHKey) -> None:
        self._key = key
        self.wanted = key.get_fingerprint()
        self.shown = "none"

    def algorithms(self) -> list[str]:
        """Return what we speak, the pinned key's first: a host with several keys then shows the right one."""
        own = self._key.get_algorithm()
        return sorted(_ALGORITHMS, key=lambda name: not name.startswith(own.replace("ssh-rsa", "rsa-")))

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 - asyncssh's signature
        self.shown = key.get_fingerprint()
        return key.public_data == self._key.public_data


class _Channel:
    """One question on its way: what goes in, and the lines that come back."""

    def __init__(self, host: str, process: asyncssh.SSHClientProcess[bytes], *, on_close: Callable[[], None]) -> None:
        self._host = host
        self._process = process
        self._on_close = on_close
        self._buffer = bytearray()
        self._complaint = bytearray()
        self._listening = asyncio.create_task(self._hear_complaint())

    def say(self, data: bytes) -> None:
        # A host that does not listen has answered already.
        with contextlib.suppress(OSError):
            self._process.stdin.write(data)
            self._process.stdin.write_eof()

    def close(self) -> None:
        self._listening.cancel()
        self._process.close()
        self._on_close()

    async def answer(self) -> Json:
        """Read to the end; return the result in the last line."""
        while await self._read():
            if len(self._buffer) > LONGEST_ANSWER:
                raise HostError(f"{self._host} answered more than {LONGEST_ANSWER // 1024} KiB.", code="too-long")
        return answers.result(await self._parsed(bytes(self._buffer).rstrip().rpartition(b"\n")[2]))

    async def line(self) -> dict[str, Json]:
        """Return what the next line says."""
        # The last line of a log is an answer, and may be as long as one.
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= LONGEST_ANSWER:
            if not await self._read():
                return await self._parsed(bytes(self._buffer))
        if not 0 <= end <= LONGEST_ANSWER:
            raise HostError(f"{self._host} sent a line of more than {LONGEST_ANSWER // 1024} KiB.", code="too-long")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return await self._parsed(line)

    async def _read(self) -> bool:
        try:
            chunk = await self._process.stdout.read(_PIECE)
        except (asyncssh.Error, OSError) as error:
            raise answers.lost(self._host, f"the connection was lost ({answers.reason(error)})") from None
        self._buffer += chunk
        return bool(chunk)

    async def _hear_complaint(self) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            while chunk := await self._process.stderr.read(LONGEST_COMPLAINT):
                self._complaint = (self._complaint + chunk)[-LONGEST_COMPLAINT:]

    async def _parsed(self, line: bytes) -> dict[str, Json]:
        if (said := answers.parsed(line)) is not None:
            return said
        await asyncio.wait([self._listening])
        with contextlib.suppress(asyncssh.Error, OSError):
            await self._process.wait_closed()
        if self._process.exit_status is None or self._process.exit_signal is not None:
            raise answers.lost(self._host, "the connection ended before the answer")
        raise answers.no_helper(self._host, self._process.exit_status, bytes(self._complaint).strip() or line)
