"""A real homeserver on this machine: Synapse with SQLite on loopback, for the demo and the tests."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from opsbot.errors import OpsbotError

#: Seconds that Synapse may take to answer for the first time, or to stop.
PATIENCE = 60.0
_TETHER = Path(__file__).with_name("tether.py")
_LOG = {
    "version": 1,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "root": {"level": "WARNING", "handlers": ["file"]},
    "disable_existing_loggers": False,
}
_RATES = ("rc_message", "rc_registration", "rc_admin_redaction", "rc_room_creation", "rc_presence_per_user")


class HomeserverError(OpsbotError):
    """The demo's homeserver did not start."""


def configuration(folder: Path, *, server_name: str, port: int, secret: str, sync_cache: str, extra: Any = None) -> Any:
    """Return Synapse's configuration: no federation, no media, no search, no limits."""
    fast = {"per_second": 10_000, "burst_count": 10_000}
    limits = dict.fromkeys(_RATES, fast) | {
        "rc_login": {"address": fast, "account": fast, "failed_attempts": fast},
        "rc_joins": {"local": fast, "remote": fast},
        "rc_joins_per_room": fast,
        "rc_invites": {"per_room": fast, "per_user": fast, "per_issuer": fast},
    }
    listener = {"port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "resources": [{"names": ["client"]}]}
    return {
        "server_name": server_name,
        "listeners": [listener],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "log_config": str(folder / "log.json"),
        "signing_key_path": str(folder / "signing.key"),
        "registration_shared_secret": secret,
        "macaroon_secret_key": secret,
        "form_secret": secret,
        "bcrypt_rounds": 4,
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "enable_media_repo": False,
        "user_directory": {"enabled": False},
        "enable_room_list_search": False,
        "presence": {"enabled": False},
        "push": {"enabled": False},
        "caches": {"sync_response_cache_duration": sync_cache},
        **limits,
        **(extra or {}),
    }


def free_port() -> int:
    """Return a port on loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Homeserver:
    """Synapse in a folder: `async with Homeserver(folder) as homeserver`. It ends when this process does."""

    def __init__(
        self, folder: Path, *, server_name: str = "demo.local", sync_cache: str = "2m", extra: Any = None
    ) -> None:
        self._folder = folder
        self._secret = secrets.token_hex(16)
        self._process: asyncio.subprocess.Process | None = None
        self.server_name = server_name
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._write(
            configuration(
                folder, server_name=server_name, port=port, secret=self._secret, sync_cache=sync_cache, extra=extra
            )
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _write(self, settings: Any) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        handler = {
            "class": "logging.FileHandler",
            "formatter": "line",
            "filename": str(self._folder / "homeserver.log"),
        }
        key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        # YAML reads JSON.
        (self._folder / "homeserver.yaml").write_text(json.dumps(settings, indent=1))
        (self._folder / "log.json").write_text(json.dumps(_LOG | {"handlers": {"file": handler}}))
        (self._folder / "signing.key").write_text(f"ed25519 a_demo {key}\n")

    async def start(self) -> None:
        """Start Synapse and wait until it answers. Raises HomeserverError with its last words."""
        with (self._folder / "output.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(_TETHER), "synapse.app.homeserver"),
                *("--config-path", str(self._folder / "homeserver.yaml")),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                # Synapse would add the branch of the checkout around its packages to its version.
                env={**os.environ, "GIT_DIR": os.devnull},
            )
        try:
            async with asyncio.timeout(PATIENCE):
                await self._until_it_answers(self._process)
        except BaseException:
            await self.stop()
            raise

    async def _until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        async with aiohttp.ClientSession() as session:
            while process.returncode is None:
                try:
                    async with session.get(f"{self.url}/_matrix/client/versions") as answer:
                        if answer.ok:
                            return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
        words = (self._folder / "output.log").read_text(errors="replace").strip().splitlines()
        raise HomeserverError("\n".join(["Synapse did not start:", *words[-5:]]))

    async def stop(self) -> None:
        """Stop Synapse; start() brings it back on the same port with the same data."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
        process.stdin.close()

    async def kill(self) -> None:
        """Kill Synapse, as kill -9 does."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()
        process.stdin.close()

    async def register(self, user: str, password: str, *, admin: bool = False) -> str:
        """Make an account and return an access token for it."""
        return await register(self.url, self._secret, user, password, admin=admin)


async def register(url: str, secret: str, user: str, password: str, *, admin: bool = False) -> str:
    """Make an account on the homeserver at URL, whose shared secret is known; return an access token for it."""
    address = f"{url}/_synapse/admin/v1/register"
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with session.get(address) as answer:
            nonce = (await answer.json())["nonce"]
        parts = (nonce, user, password, "admin" if admin else "notadmin")
        mac = hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
        account = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": mac}
        async with session.post(address, json=account) as answer:
            token: str = (await answer.json())["access_token"]
            return token
