import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncssh
import pytest

from opsbot.demo.homeserver import free_port

WITHIN = 30.0


def write_configuration(folder: Path) -> Path:
    """Write a configuration whose homeserver and host are away."""
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    key = asyncssh.generate_private_key("ssh-ed25519")
    for name, secret in {"token": "secret", "ssh-key": key.export_private_key().decode()}.items():
        (credentials / name).touch(mode=0o600)
        (credentials / name).write_text(secret)
    host_key = key.export_public_key().decode().strip()
    config = {
        "homeserver": {"url": f"http://127.0.0.1:{free_port()}", "user": "@opsbot:example.org", "token_file": "token"},
        "rooms": ["!ops:example.org"],
        "people": {"dan": {"level": "admin", "accounts": ["@dan:example.org"]}},
        "hosts": {"ops": {"address": "127.0.0.1", "port": free_port(), "key_file": "ssh-key", "host_key": host_key}},
        "listen": f"127.0.0.1:{free_port()}",
        "database": f"sqlite:///{folder / 'opsbot.db'}",
        "credentials": str(credentials),
    }
    path = folder / "opsbot.yaml"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose homeserver and host are away."""
    return write_configuration(tmp_path)


class Supervisor:
    """What systemd is to a service: a socket that it may notify."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self.path))

    async def hears(self, words: str) -> None:
        """Wait until the service has said WORDS."""
        async with asyncio.timeout(WITHIN):
            while await asyncio.get_running_loop().sock_recv(self._socket, 1024) != words.encode():
                pass

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@asynccontextmanager
async def bot(config: Path, supervisor: Supervisor, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bot as a service."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", "run", "--config", str(config), *options),
        env={**os.environ, "NOTIFY_SOCKET": str(supervisor.path)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    """Something that the bot may notify."""
    made = Supervisor(tmp_path)
    yield made
    made.close()


async def test_the_bot_is_ready_without_its_homeserver_and_ends_in_good_order(
    config: Path, supervisor: Supervisor
) -> None:
    """READY means a good configuration and database; the watchdog is fed also while the homeserver is away."""
    async with bot(config, supervisor) as process:
        await supervisor.hears("READY=1")
        await supervisor.hears("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        await supervisor.hears("STOPPING=1")
        _, said = await asyncio.wait_for(process.communicate(), WITHIN)

    assert process.returncode == 0
    assert b"Traceback" not in said


async def test_a_second_bot_on_the_same_database_ends_with_a_sentence(config: Path, supervisor: Supervisor) -> None:
    """Two bots on one database would do every step twice: the second one says so and ends."""
    async with bot(config, supervisor):
        await supervisor.hears("READY=1")
        async with bot(config, supervisor) as second:
            _, said = await asyncio.wait_for(second.communicate(), WITHIN)

    assert second.returncode == 1
    assert b"Another opsbot runs on this database" in said
    assert b"Traceback" not in said


async def test_a_database_that_fails_ends_the_bot_with_a_sentence(config: Path, supervisor: Supervisor) -> None:
    """What happens to the database under the bot is told with what to look at."""
    async with bot(config, supervisor) as process:
        await supervisor.hears("READY=1")
        with sqlite3.connect(config.parent / "opsbot.db") as other:
            other.execute("DROP TABLE outbox")
        other.close()
        _, said = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode == 1
    assert b"opsbot: The database failed: no such table: outbox; see that its disk has room" in said
    assert b"Traceback" not in said


async def test_a_database_that_cannot_be_made_is_told_in_a_sentence(config: Path, supervisor: Supervisor) -> None:
    """Where the bot's user may not write, the sentence says who should own the folder."""
    impossible(config)
    async with bot(config, supervisor) as process:
        _, said = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode == 1
    assert said.startswith(b"opsbot: /proc/opsbot.db.lock cannot be written: ")
    assert said.endswith(b"let the bot's user own its folder.\n")


def impossible(config: Path) -> None:
    """Have the database where nobody can write."""
    config.write_text(config.read_text().replace(f"{config.parent}/opsbot.db", "/proc/opsbot.db"))


async def page(address: str, name: str) -> tuple[int, str]:
    """Ask a bot for one of its pages; return the status and the words."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/{name}") as answer:
        return answer.status, (await answer.text()).strip()


async def trouble(address: str) -> tuple[int, str]:
    """Wait until a bot has asked its homeserver; return what it says of itself then."""
    while True:
        answer = await page(address, "readyz")
        if not answer[1].endswith("taken in yet."):
            return answer
        await asyncio.sleep(0.05)


async def test_a_bot_without_its_homeserver_lives_and_is_not_ready(config: Path, supervisor: Supervisor) -> None:
    """While the homeserver is away the bot is alive and says what it waits for; its log is JSON without its secrets."""
    address = json.loads(config.read_text())["listen"]  # noqa: ASYNC240 - a small file, once
    async with bot(config, supervisor) as process:
        await supervisor.hears("READY=1")
        ready = await asyncio.wait_for(trouble(address), WITHIN)
        health, figures = [await page(address, name) for name in ("healthz", "metrics")]
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), WITHIN)

    assert ready[0] == 503
    assert ready[1].startswith("The first sync was not taken in yet. The homeserver cannot be reached")
    assert health == (200, "well")
    assert "opsbot_outbox_depth 0.0" in figures[1]
    lines = [json.loads(line) for line in said.decode().splitlines()]
    assert [line["message"] for line in lines][:2] == ["at work", "homeserver lost"]
    assert "secret" not in said.decode()


SCHEDULE = '''
from opsbot import schedule


@schedule("{minute} {hour} * * *")
async def morning() -> str:
    """Say good morning."""
    return "Good morning."
'''
PLUGIN = '''
from opsbot import Delivery, hook


@hook
async def pushed(ctx: Delivery) -> str:
    """Say who pushed."""
    return f"{ctx.json()['pusher']} pushed."
'''


def with_plugin(config: Path, code: str, **more: object) -> str:
    """Give a bot a plugin and further keys; return where its pages are."""
    settings = json.loads(config.read_text())
    (config.parent / "mine").mkdir()
    (config.parent / "mine" / "forge.py").write_text(code)
    config.write_text(json.dumps(settings | {"plugins": [str(config.parent / "mine")], **more}))
    return str(settings["listen"])


async def test_a_running_bot_keeps_its_schedules(config: Path, supervisor: Supervisor) -> None:
    """A bot that was away when the time of a schedule came says it when it is back."""
    missed = datetime.now(UTC) - timedelta(minutes=3)
    listen = with_plugin(config, SCHEDULE.format(minute=missed.minute, hour=missed.hour))
    async with bot(config, supervisor) as process:
        await supervisor.hears("READY=1")
        assert "opsbot_outbox_depth 0.0" in (await page(listen, "metrics"))[1]
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), WITHIN)
    async with bot(config, supervisor), asyncio.timeout(WITHIN):
        await supervisor.hears("READY=1")
        while "opsbot_outbox_depth 1.0" not in (await page(listen, "metrics"))[1]:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.1)


async def test_a_running_bot_hears_its_hooks(config: Path, supervisor: Supervisor) -> None:
    """A signed call is taken while the homeserver is away, and is in the outbox; the secret is not in the log."""
    secret = "0123456789abcdef"
    (config.parent / "credentials" / "hook").touch(mode=0o600)
    (config.parent / "credentials" / "hook").write_text(secret)
    listen = with_plugin(config, PLUGIN, hooks={"pushed": {"room": "!ops:example.org", "secret_file": "hook"}})
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "1"}
    async with bot(config, supervisor) as process:
        await supervisor.hears("READY=1")
        url = f"http://{listen}/hooks/pushed"
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.post(url, json={"pusher": "eve"}, headers=headers) as answer:
                    assert answer.status == 200
        figures = await page(listen, "metrics")
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), WITHIN)

    assert "opsbot_outbox_depth 1.0" in figures[1]
    assert '"message": "hook called"' in said.decode()
    assert secret not in said.decode()
