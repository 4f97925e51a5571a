"""`/project PATH` in the demo: a project of one's own joins the platform by a pull request of two lines."""

import asyncio
import json
import re
import secrets
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path

import aiohttp

from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Line, SpeakerError
from opsbot.demo.stage import Stage
from opsbot.errors import OpsbotError, UsageError
from opsbot.standin import newcomer
from opsbot.standin.errors import NixError
from opsbot.standin.machine import Machine

#: Seconds between two looks at what the bots of the projects say.
_LOOK = 0.5
_SHAPE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ADDED = """The platform's main has two lines more (and a flake.lock, which Nix wrote):
  + {lines[0]}
  + {lines[1]}
{account} is invited to the room, and the host has its token. As admin, once: !deploy platform"""


class Projects:
    """The projects that whoever sits at the demo has brought along."""

    def __init__(self, stage: Stage, homeserver: Homeserver, machine: Machine, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._homeserver = homeserver
        self._machine = machine
        self._say = say
        #: The projects' names, by the accounts of their bots.
        self._accounts: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, path: str) -> None:
        """Bring what is in a folder, and say what came of it."""
        self._start(self._bring(path))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring(self, path: str) -> None:
        try:
            self._say(await self.bring(path))
        except OpsbotError as error:
            self._say(str(error))

    async def close(self) -> None:
        """Stop whatever goes on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def bring(self, path: str) -> str:
        """Push what is in a folder, and add it to the platform if it is new; return what somebody should read.

        Raises UsageError with what to do instead, OpsbotError with git's words.
        """
        folder, name = _found(path)
        async with self._one_at_a_time:
            if self._is_of_the_demo(name):
                raise UsageError(f"The demo has its own {name}: give yours another name.")
            try:
                subject = await asyncio.to_thread(newcomer.push, self._machine, name, folder)
                if name not in self._accounts.values():
                    return await self._add(name)
            except NixError as error:
                raise OpsbotError(f"{error}.") from None
            except aiohttp.ClientError as error:
                raise OpsbotError("The homeserver is away: say it again when it is back.") from error
        if subject is None:
            return f"The main of {name} has all of that already. To deploy it: !deploy {name}"
        return f"Pushed to the main of {name}: {subject}. Now: !deploy {name}"

    def _is_of_the_demo(self, name: str) -> bool:
        known = json.loads(self._stage.config.read_text())
        units = {service["unit"] for service in known["services"].values()}
        ours = {*known["projects"], *known["services"], *(unit.removesuffix(".service") for unit in units)}
        ours |= {"platform", *self._stage.people}
        return name in ours and name not in self._accounts.values()

    async def _add(self, name: str) -> str:
        if name not in self._tokens:
            self._tokens[name] = await self._homeserver.register(name, secrets.token_hex(16))
        lines = await asyncio.to_thread(newcomer.request, self._machine, name)
        newcomer.declare(self._machine, name, homeserver=self._homeserver.url, token=self._tokens[name])
        account = f"@{name}:{self._homeserver.server_name}"
        await self._stage.people["admin"].invite(self._stage.room_id, account)
        if not self._accounts:
            self._start(self._listen())
        self._accounts[account] = name
        await self._tell_the_bot(name)
        return _ADDED.format(lines=lines, account=account)

    async def _tell_the_bot(self, name: str) -> None:
        """Give the bot the project: on NixOS its configuration comes with the platform, too."""
        config = json.loads(self._stage.config.read_text())
        config["services"][name] = {"unit": f"{name}.service"}
        config["projects"][name] = {"host": self._machine.host, "services": [name]}
        self._stage.config.write_text(json.dumps(config, indent=2))
        if self._stage.pid:
            await self._stage.stop_bot()
            await self._stage.start_bot()

    async def _listen(self) -> None:
        """Tell what the bots of these projects say, for ever."""
        seen: set[str] = set()
        while True:
            await asyncio.sleep(_LOOK)
            for line in await self._said():
                if line.event_id not in seen:
                    seen.add(line.event_id)
                    self._say(f"{self._accounts[line.sender]}> {line.body}")

    async def _said(self) -> list[Line]:
        try:
            lines = await self._stage.people["admin"].lines(self._stage.room_id)
        except SpeakerError:
            # The homeserver is away for a while: it tells later.
            return []
        return [line for line in lines if line.sender in self._accounts]


def _found(path: str) -> tuple[Path, str]:
    """Return the folder that somebody typed, and what the project in it is called. Raises UsageError."""
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    try:
        name = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
    except FileNotFoundError:
        raise UsageError(f"{folder} has no pyproject.toml: opsbot new project NAME makes a project.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}/pyproject.toml cannot be read: {error}.") from None
    if not _SHAPE.fullmatch(str(name)):
        raise UsageError(f"{folder}/pyproject.toml: a project's name has small letters, digits and dashes.")
    return folder, str(name)
