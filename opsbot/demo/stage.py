"""The demo's world: a homeserver, a host, a team and the bot, on this machine and gone afterwards."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Speaker
from opsbot.errors import OpsbotError
from opsbot.model import Json
from opsbot.standin.machine import Machine

#: The people of the demo, by their level.
TEAM = ("admin", "deployer", "contributor", "member")
#: Seconds until the bot must be in its room.
_ENTRY = 60.0
_STOP = 15.0
_TETHER = Path(__file__).with_name("tether.py")


class DemoError(OpsbotError):
    """The demo did not start."""


def configuration(homeserver: Homeserver, room_id: str, machine: Machine, folder: Path) -> Json:
    """Return the bot's configuration in the demo."""
    urls = {name: machine.url(name) for name in machine.repositories.projects}
    units = {"web": "nginx.service", "bridge": "mautrix-slack.service", "forge": "forgejo.service"}
    units |= {"database": "postgresql.service", "opsbot": "opsbot.service"}
    version = {"http": f"{homeserver.url}/_synapse/admin/v1/server_version", "version": "server_version"}
    return {
        "homeserver": {"url": homeserver.url, "user": _account(homeserver, "opsbot"), "token_file": "matrix-token"},
        "rooms": [room_id],
        "people": {name: {"level": name, "accounts": [_account(homeserver, name)]} for name in TEAM},
        "hosts": {
            machine.host: {
                "address": "127.0.0.1",
                "port": machine.port,
                "user": machine.user,
                "key_file": "ssh-key",
                "host_key": machine.host_key,
            }
        },
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
    """Everything that the demo runs."""

    def __init__(self, folder: Path, room_id: str, people: dict[str, Speaker], machine: Machine) -> None:
        self.room_id = room_id
        self.people = people
        self.machine = machine
        self._folder = folder
        self._bot: asyncio.subprocess.Process | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *, pace: float, tell: Callable[[str], None]) -> AsyncIterator[Self]:
        """Build the world in an empty folder; TELL is called with what is being started."""
        async with AsyncExitStack() as stack:
            tell("a homeserver (Synapse) and a host (a NixOS machine in a folder, behind SSH) …")
            homeserver, machine = Homeserver(folder / "synapse"), Machine(folder / "host", pace=pace)
            # One after the other in the stack, side by side in time.
            async with asyncio.TaskGroup() as starting:
                starting.create_task(stack.enter_async_context(homeserver))
                starting.create_task(stack.enter_async_context(machine))
            tell("a room, four people, and the bot …")
            token = await homeserver.register("opsbot", "opsbot")
            people = {name: await _person(homeserver, name, stack) for name in TEAM}
            room_id = await _room(homeserver, people)
            stage = cls(folder, room_id, people, machine)
            stage.write(configuration(homeserver, room_id, machine, folder), token, machine.client_key.read_text())
            stack.push_async_callback(stage.stop_bot)
            await stage.start_bot()
            yield stage

    def write(self, config: Json, token: str, key: str) -> None:
        """Write the bot's configuration and its credentials."""
        credentials = self._folder / "credentials"
        credentials.mkdir(mode=0o700)
        for name, secret in {"matrix-token": token, "ssh-key": key}.items():
            path = credentials / name
            path.touch(mode=0o400)
            path.chmod(0o600)
            path.write_text(secret)
            path.chmod(0o400)
        self._config.write_text(json.dumps(config, indent=2))

    @property
    def _config(self) -> Path:
        return self._folder / "opsbot.yaml"

    @property
    def log(self) -> Path:
        """What the bot wrote to its log."""
        return self._folder / "opsbot.log"

    async def start_bot(self) -> None:
        """Start the bot and wait until it has joined the room. Raises DemoError with its last words."""
        with self.log.open("ab") as output:
            self._bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(_TETHER), "opsbot", "run", "--config", str(self._config)),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
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
            members = await watcher.ask("GET", f"rooms/{self.room_id}/joined_members")
            if any(account.startswith("@opsbot:") for account in members["joined"]):
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

    async def kill_bot(self) -> None:
        """Kill the bot, as kill -9 does."""
        bot, self._bot = self._bot, None
        if bot is not None and bot.stdin is not None:
            bot.kill()
            await bot.wait()
            bot.stdin.close()


async def _person(homeserver: Homeserver, name: str, stack: AsyncExitStack) -> Speaker:
    token = await homeserver.register(name, name)
    return await stack.enter_async_context(Speaker.with_token(homeserver.url, token))


async def _room(homeserver: Homeserver, people: dict[str, Speaker]) -> str:
    admin, *others = people.values()
    invited = [person.user_id for person in others] + [_account(homeserver, "opsbot")]
    room_id = await admin.create_room(*invited, name="ops", room_alias_name="ops")
    for person in others:
        await person.join(room_id)
    return room_id
