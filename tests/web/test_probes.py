import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opsbot.web.probes import Prober, Target


@asynccontextmanager
async def served(app: web.Application, *, certificate: Path | None = None) -> AsyncIterator[int]:
    """Serve a web application on the loopback, over TLS if there is a certificate; give its port."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def platform() -> web.Application:
    """Return services that answer as a homeserver, a forge and a web server do, well and not."""
    app = web.Application()
    server = {"Server": "nginx/1.28.0"}
    answers: dict[str, Callable[[], web.Response]] = {
        "/_matrix/federation/v1/version": lambda: web.json_response({"server": {"name": "c", "version": "0.5.0"}}),
        "/api/v1/version": lambda: web.json_response({"version": "13.0.2+gitea-1.22.0"}),
        "/": lambda: web.Response(headers=server),
        "/moved": lambda: web.Response(status=302, headers=server | {"Location": "/broken"}),
        "/login": lambda: web.Response(status=401),
        "/broken": lambda: web.Response(status=502),
        "/page": lambda: web.Response(text="<html>", content_type="text/html"),
        "/list": lambda: web.json_response([{"version": 1}]),
        "/deep": lambda: web.json_response({"version": {"a": 1}}),
        "/large": lambda: web.Response(text="x" * 5_000_000),
    }

    def handler(answer: Callable[[], web.Response]) -> Callable[[web.Request], object]:
        async def handle(_: web.Request) -> web.Response:
            return answer()

        return handle

    for path, answer in answers.items():
        app.router.add_get(path, handler(answer))  # type: ignore[arg-type]
    app.router.add_get("/slow", slow)
    return app


async def slow(_: web.Request) -> web.Response:
    """Never answer."""
    await asyncio.sleep(3600)
    return web.Response()


async def probed(port: int, path: str, **more: object) -> tuple[bool, str, str]:
    """Probe one address; return whether it is well, its version and the problem."""
    target = Target(http=f"http://127.0.0.1:{port}{path}", **more)  # type: ignore[arg-type]
    async with Prober({"it": target}, within=0.5) as prober:
        found = await prober.probe("it")
    assert found is not None
    return found.ok, found.version, found.problem


@pytest.fixture(name="port")
async def served_platform() -> AsyncIterator[int]:
    """Give the port of a platform's services."""
    async with served(platform()) as port:
        yield port


@pytest.mark.parametrize(
    ("path", "place", "version"),
    [
        ("/_matrix/federation/v1/version", "server.version", "0.5.0"),
        ("/api/v1/version", "version", "13.0.2+gitea-1.22.0"),
        ("/", "header:Server", "nginx/1.28.0"),
        ("/", "header:X-None", ""),
        ("/page", "version", ""),
        ("/list", "version", ""),
        ("/deep", "version", ""),
        ("/api/v1/version", "version.more", ""),
        ("/large", "version", ""),
        ("/api/v1/version", None, ""),
    ],
)
async def test_a_service_tells_its_version(port: int, path: str, place: str | None, version: str) -> None:
    """The version is read from the JSON answer or a header; a service without one is well all the same."""
    assert await probed(port, path, version=place) == (True, version, "")


@pytest.mark.parametrize(
    ("path", "expect", "problem"),
    [
        ("/", None, ""),
        ("/moved", None, ""),
        ("/moved", 200, "HTTP status 302, not 200"),
        ("/login", None, "HTTP status 401"),
        ("/login", 401, ""),
        ("/", 401, "HTTP status 200, not 401"),
        ("/broken", None, "HTTP status 502"),
        ("/none", None, "HTTP status 404"),
        ("/slow", None, "no answer within 0.5 s"),
    ],
)
async def test_a_status_says_whether_a_service_is_well(port: int, path: str, expect: int | None, problem: str) -> None:
    """Statuses from 200 to 399 are well, or the one that is expected; redirects are not followed."""
    assert await probed(port, path, expect=expect) == (not problem, "", problem)


async def test_a_service_has_a_latency(port: int) -> None:
    """A probe tells the seconds until the answer."""
    async with Prober({"web": Target(http=f"http://127.0.0.1:{port}/")}) as prober:
        found = await prober.probe("web")
        assert found is not None
        assert 0 < found.latency < 4


async def test_what_has_no_probe_is_not_asked() -> None:
    """A service with a unit only, or one that nobody configured, has no probe."""
    async with Prober({"opsbot": Target()}) as prober:
        assert await prober.probe("opsbot") is None
        assert await prober.probe("none") is None


async def test_a_port_that_accepts_is_well(port: int) -> None:
    """A TCP probe is well when the connection is accepted, and tells the system's reason when it is not."""
    async with Prober({"up": Target(tcp=f"127.0.0.1:{port}"), "down": Target(tcp="127.0.0.1:1")}) as prober:
        up, down = await prober.probe("up"), await prober.probe("down")
    assert up is not None
    assert down is not None
    assert (up.ok, up.problem) == (True, "")
    assert (down.ok, down.problem) == (False, "Connection refused")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://127.0.0.1:1/", "Connection refused"),
        ("http://no-such-name.invalid/", ""),
    ],
)
async def test_a_service_that_is_away_says_why(address: str, problem: str) -> None:
    """A service that cannot be reached is not well, with the system's own words."""
    async with Prober({"it": Target(http=address)}) as prober:
        found = await prober.probe("it")
    assert found is not None
    assert not found.ok
    assert problem in found.problem
    assert found.problem


async def test_what_does_not_speak_http_is_told() -> None:
    """A port that hangs up, or speaks something else, is a sentence and not a trace."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()
        await writer.wait_closed()

    problems = []
    for behaviour in (hang_up, babble):
        async with await asyncio.start_server(behaviour, "127.0.0.1", 0) as server:
            problems.append((await probed(server.sockets[0].getsockname()[1], "/"))[2])
    assert problems == ["it hung up without an answer", "it does not answer in HTTP"]


def certificate(folder: Path, days: float, *, name: str = "localhost") -> Path:
    """Write a certificate that signs itself, valid for so many days from now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.TraditionalOpenSSL
    path = folder / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )
    return path


async def days_left(path: Path, *, trusted: bool) -> float:
    """Serve a certificate and return the days that it has left."""
    trust = ssl.create_default_context(cafile=str(path)) if trusted else None
    async with served(platform(), certificate=path) as port, Prober({}, trust=trust) as prober:
        return await prober.certificate_days(f"localhost:{port}")


@pytest.mark.parametrize("days", [42.0, 0.5, -3.0])
async def test_a_certificate_has_days_left(tmp_path: Path, days: float) -> None:
    """The days until a certificate expires are told; below zero when it has."""
    assert abs(await days_left(certificate(tmp_path, days), trusted=True) - days) < 0.1


async def test_a_certificate_that_is_not_to_be_trusted_says_so(tmp_path: Path) -> None:
    """A certificate that nobody vouches for, or for another name, is a problem, with the day when it expires."""
    ends = (datetime.now(UTC) + timedelta(days=42)).strftime("%Y-%m-%d")
    with pytest.raises(OSError, match=rf"self.signed certificate; it expires on {ends}"):
        await days_left(certificate(tmp_path, 42), trusted=False)
    with pytest.raises(OSError, match="localhost"):
        await days_left(certificate(tmp_path, 42, name="other.example"), trusted=True)


async def test_a_probe_does_not_trust_what_the_system_does_not(tmp_path: Path) -> None:
    """A service behind a certificate that does not verify is not well."""
    path = certificate(tmp_path, 42)
    async with served(platform(), certificate=path) as port:
        target = {"web": Target(http=f"https://localhost:{port}/")}
        async with Prober(target) as prober:
            refused = await prober.probe("web")
        async with Prober(target, trust=ssl.create_default_context(cafile=str(path))) as prober:
            trusted = await prober.probe("web")
    assert refused is not None
    assert trusted is not None
    assert "its certificate is not to be trusted: self" in refused.problem
    assert trusted.ok


async def test_a_certificate_that_nobody_shows(port: int) -> None:
    """An endpoint that is away, slow, or speaks no TLS is a reason in words."""
    async with Prober({}, within=0.5) as prober:
        for endpoint, why in ((f"127.0.0.1:{port}", "no TLS connection"), ("127.0.0.1:1", "Connection refused")):
            with pytest.raises(OSError, match=f"^{why}"):
                await prober.certificate_days(endpoint)
