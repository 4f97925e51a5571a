"""What can be seen of the services from outside: HTTP, TCP and certificates."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import aiohttp
from cryptography import x509

from opsbot.answers import reason
from opsbot.model import Json, Probe

#: Bytes of an answer that are read for a version.
LONGEST = 64 * 1024
WELL = range(200, 400)
_EXPIRED = 10
_DAY = 86400


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to ask of a service: an HTTP address, or a port that accepts connections, as HOST:PORT."""

    http: str | None = None
    tcp: str | None = None
    #: The status that counts as well; without it, 200 to 399 do.
    expect: int | None = None
    #: Where the version is: keys of the JSON answer, as in `server.version`, or `header:NAME`.
    version: str | None = None


class Prober:
    """Asks the configured services, WITHIN so many seconds each; to be used as a context.

    TRUST is what certificates are verified by, instead of the system's authorities. What services say is given on as
    SHOWN makes it: without secrets.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        *,
        within: float = 4.0,
        trust: ssl.SSLContext | None = None,
        shown: Callable[[str], str] = str,
    ) -> None:
        self._targets = targets
        self._within = within
        self._shown = shown
        self._trust = trust or ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Each look is to see what a newcomer sees: no kept connection, no cookie.
        connector = aiohttp.TCPConnector(force_close=True, ssl=self._trust)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def probe(self, service: str) -> Probe | None:
        """Ask a configured service over HTTP or TCP; None when it has no probe."""
        target = self._targets.get(service)
        if target is None or not (target.http or target.tcp):
            return None
        begin = time.monotonic()
        try:
            async with asyncio.timeout(self._within):
                version, problem = await (self._get(target.http, target) if target.http else self._connect(target.tcp))
        except TimeoutError:
            version, problem = "", f"no answer within {self._within:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            version, problem = "", _sentence(error)
        latency = time.monotonic() - begin
        return Probe(ok=not problem, latency=latency, version=self._shown(version), problem=self._shown(problem))

    async def certificate_days(self, endpoint: str) -> float:
        """Return the days until the certificate at HOST:PORT expires; negative when it has.

        Raises OSError with the reason when nobody answers, and when the certificate is not to be trusted.
        """
        try:
            async with asyncio.timeout(self._within):
                ends = await self._certificate_end(endpoint)
        except TimeoutError:
            raise OSError(f"no answer within {self._within:g} s") from None
        except OSError as error:
            raise OSError(_sentence(error)) from None
        return (ends - datetime.now(UTC)).total_seconds() / _DAY

    async def _certificate_end(self, endpoint: str) -> datetime:
        try:
            return await _certificate_end(endpoint, self._trust)
        except ssl.SSLCertVerificationError as error:
            ends = await _certificate_end(endpoint, _trusting())
            if error.verify_code == _EXPIRED:
                return ends
            raise OSError(f"{error.verify_message.rstrip('.')}; it expires on {ends:%Y-%m-%d}") from None

    async def _get(self, address: str, target: Target) -> tuple[str, str]:
        assert self._session is not None  # noqa: S101 - it is used as a context
        async with self._session.get(address, allow_redirects=False) as answer:
            if answer.status != target.expect if target.expect else answer.status not in WELL:
                wanted = f", not {target.expect}" if target.expect else ""
                return "", f"HTTP status {answer.status}{wanted}"
            body = await _beginning(answer) if target.version else b""
            return read_version(target.version or "", answer.headers, body), ""

    async def _connect(self, endpoint: str | None) -> tuple[str, str]:
        _, writer = await asyncio.open_connection(*_host_and_port(endpoint or ""))
        writer.transport.abort()
        return "", ""


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    try:
        return await answer.content.readexactly(LONGEST)
    except asyncio.IncompleteReadError as end:
        return end.partial


def read_version(place: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the version that stands at a PLACE of an answer; empty when it is not there."""
    if place.startswith("header:"):
        return headers.get(place.removeprefix("header:"), "")[:100]
    try:
        found: Json = json.loads(body) if place else None
        for key in place.split("."):
            found = found.get(key) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return ""
    return str(found)[:100] if isinstance(found, str | int | float) else ""


async def _certificate_end(endpoint: str, context: ssl.SSLContext) -> datetime:
    host, port = _host_and_port(endpoint)
    _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        data = connection.getpeercert(binary_form=True)
        assert data is not None  # noqa: S101 - a TLS server always shows a certificate
        return x509.load_der_x509_certificate(data).not_valid_after_utc
    finally:
        writer.transport.abort()


def _trusting() -> ssl.SSLContext:
    """Return a context for reading a certificate that was found untrustworthy already."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _host_and_port(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def _sentence(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as wrong):
            return f"its certificate is not to be trusted: {wrong.verify_message}"
        case aiohttp.ClientConnectorError(os_error=inner):
            return reason(inner)
        case ssl.SSLError(reason=str() as why):
            return f"no TLS connection: {why.replace('_', ' ').lower()}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "it hung up without an answer"
        case aiohttp.ClientError():
            return "it does not answer in HTTP"
    return reason(error)
