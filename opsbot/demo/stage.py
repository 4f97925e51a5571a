"""A team, a room and a bot: the world of the demo, and of the tests that tell a whole story."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import AwayError, Speaker
from opsbot.errors import OpsbotError
from opsbot.model import Json
from opsbot.standin import launchers
from opsbot.standin.machine import Machine

#: The people of the demo, by their level.
TEAM = ("admin", "deployer", "contributor", "member")
#: Seconds until the bot must be in its room.
_ENTRY = 60.0
_STOP = 15.0
_TETHER = Path(__file__).with_name("tether.py")


class DemoError(OpsbotError):
    """The demo did not start."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a host lets the bot in."""

    port: int
    user: str
    host_key: str
    client_key: Path


def configuration(homeserver: Homeserver, room_id: str, machine: Machine, door: Door, folder: Path, crowd: str) -> Json:
    """Return the bot's configuration on a stage."""
    urls = {name: machine.url(name) for name in machine.repositories.projects}
    units = {"web": "nginx.service", "bridge": "mautrix-slack.service", "forge": "forgejo.service"}
    units |= {"database": "postgresql.service", "opsbot": "opsbot.service"}
    version = {"http": f"{homeserver.url}/_synapse/admin/v1/server_version", "version": "server_version"}
    host = {"address": "127.0.0.1", "port": door.port, "user": door.user, "host_key": door.host_key}
    return {
        "homeserver": {"url": homeserver.url, "user": _account(homeserver, f"opsbot{crowd}"), "token_file": "token"},
        "rooms": [room_id],
        "people": {name: {"level": name, "accounts": [_account(homeserver, name + crowd)]} for name in TEAM},
        "hosts": {machine.host: {**host, "key_file": "ssh-key"}},
        "projects": {name: {"host": machine.host, "services": [name]} for name in urls},
        "services": {"homeserver": {"unit": "conduwuit.service", **version}}
        | {role: {"unit": unit} for role, unit in units.items()}
        | {name: {"unit": f"{name}.service", "http": url} for name, url in urls.items()},
        "database": f"sqlite:///{folder / 'opsbot.db'}",
        "credentials": str(folder / "credentials"),
    }


def _account(homeserver: Homeserver, name: str) -> str:
    return f"@{name}:{homeserver.server_name}"


class Stage:
    """A team in a room with a bot of their own, before a homeserver and a host that run already."""

    def __init__(self, folder: Path, room_id: str, people: dict[str, Speaker], command: Sequence[str]) -> None:
        self.room_id = room_id
        self.people = people
        self._folder = folder
        self._command = command
        self._bot: asyncio.subprocess.Process | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        *,
        homeserver: Homeserver,
        machine: Machine,
        door: Door | None = None,
        crowd: str = "",
        command: Sequence[str] = ("opsbot", "run"),
        more: Json = None,
        secrets: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Self]:
        """Build the stage in a folder, with the bot in its room.

        DOOR is the host's if it is not the machine's own; CROWD makes the accounts' names unique on a homeserver that
        others use too; COMMAND is the Python module of the bot, with its arguments; MORE are keys of its configuration
        and SECRETS the credentials that they name.
        """
        door = door or Door(
            port=machine.port, user=machine.user, host_key=machine.host_key, client_key=machine.client_key
        )
        async with AsyncExitStack() as stack:
            token = await homeserver.register(f"opsbot{crowd}", "opsbot")
            people = {name: await _person(homeserver, name + crowd, stack) for name in TEAM}
            room_id = await _room(people, _account(homeserver, f"opsbot{crowd}"))
            stage = cls(folder, room_id, people, command)
            config = configuration(homeserver, room_id, machine, door, folder, crowd)
            usual = {"token": token, "ssh-key": door.client_key.read_text()}
            stage.write(config | (more or {}), {**usual, **(secrets or {})})
            stack.push_async_callback(stage.stop_bot)
            await stage.start_bot()
            yield stage

    def write(self, config: Json, secrets: Mapping[str, str]) -> None:
        """Write the bot's configuration and its credentials."""
        credentials = self._folder / "credentials"
        credentials.mkdir(mode=0o700, parents=True)
        for name, secret in secrets.items():
            path = credentials / name
            path.touch(mode=0o400)
            path.chmod(0o600)
            path.write_text(secret)
            path.chmod(0o400)
        self.config.write_text(json.dumps(config, indent=2))

    @property
    def config(self) -> Path:
        """The bot's configuration file."""
        return self._folder / "opsbot.yaml"

    @property
    def log(self) -> Path:
        """What the bot wrote to its log."""
        return self._folder / "opsbot.log"

    @property
    def pid(self) -> int:
        """The bot's process; 0 while it does not run."""
        return 0 if self._bot is None else self._bot.pid

    async def start_bot(self, command: Sequence[str] | None = None) -> None:
        """Start the bot, or COMMAND in its place, and wait until it is in the room.

        Raises DemoError with its last words.
        """
        self._command = command or self._command
        with self.log.open("ab") as output:
            self._bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(_TETHER), *self._command, "--config", str(self.config)),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                # A checkout that is not installed finds itself, too.
                env={**os.environ, "PYTHONPATH": launchers.package_folder()},
            )
        joined = asyncio.create_task(self._joined())
        died = asyncio.create_task(self._bot.wait())
        await asyncio.wait({joined, died}, timeout=_ENTRY, return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if not joined.done():
            joined.cancel()
            words = self.log.read_text(errors="replace").strip().splitlines()
            raise DemoError("\n".join(["The bot did not come into its room:", *words[-10:]]))

    async def _joined(self) -> None:
        watcher = self.people["admin"]
        while True:
            with contextlib.suppress(AwayError):
                members = await watcher.ask("GET", f"rooms/{self.room_id}/joined_members")
                if any(account.startswith("@opsbot") for account in members["joined"]):
                    return
            await asyncio.sleep(0.1)

    async def stop_bot(self) -> None:
        """Stop the bot in good order."""
        bot, self._bot = self._bot, None
        if bot is None or bot.stdin is None:
            return
        if bot.returncode is None:
            bot.terminate()
        try:
            await asyncio.wait_for(bot.wait(), _STOP)
        except TimeoutError:
            bot.kill()
            await bot.wait()
        bot.stdin.close()

    async def bot_ended(self) -> int:
        """Wait until the bot has ended by itself; return its exit status."""
        return 0 if self._bot is None else await self._bot.wait()

    async def kill_bot(self) -> None:
        """Kill the bot, as kill -9 does."""
        bot, self._bot = self._bot, None
        if bot is None or bot.stdin is None:
            return
        if bot.returncode is None:
            bot.kill()
        await bot.wait()
        bot.stdin.close()


async def _person(homeserver: Homeserver, name: str, stack: AsyncExitStack) -> Speaker:
    token = await homeserver.register(name, name)
    return await stack.enter_async_context(Speaker.with_token(homeserver.url, token))


async def _room(people: dict[str, Speaker], bot: str) -> str:
    admin, *others = people.values()
    room_id = await admin.create_room(*(person.user_id for person in others), bot, name="ops")
    for person in others:
        await person.join(room_id)
    return room_id
