"""Slack and Matrix with a bridge between them, and the bot beside it: each a process or a server of its own."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from opsbot.bridge.manifest import manifest
from opsbot.bridge.provisioning import Provisioning
from opsbot.config import Config, load
from opsbot.demo.homeserver import Homeserver, free_port
from opsbot.demo.speaker import Speaker
from opsbot.mautrix.process import STANDIN, BridgeProcess
from opsbot.mautrix.setup import Setup
from opsbot.model import Json
from opsbot.standin.machine import Machine
from opsbot.workspace.model import Channel, Member
from opsbot.workspace.server import Workspace
from opsbot.workspace.team import Seen, Team

SERVER = "test.local"
#: The real mautrix-slack, where somebody names its program.
COMMAND: Sequence[str] = (os.environ["BRIDGE"],) if os.environ.get("BRIDGE") else STANDIN
WITHIN = 40.0
_TETHER = Path(__file__).parents[2] / "opsbot/demo/tether.py"


class NotSeenError(AssertionError):
    """What a test waited for did not happen."""


async def until(holds: Callable[[], Awaitable[bool]], what: Callable[[], str], *, within: float = WITHIN) -> None:
    """Wait until something holds. Raises NotSeenError with what there is instead."""
    try:
        async with asyncio.timeout(within):
            while not await holds():  # noqa: ASYNC110 - other processes set no event of ours
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise NotSeenError(what()) from None


@dataclass(kw_only=True)
class Crossing:
    """The whole of it. Alice is a member, Dora and Pia deployers, Adam an admin; the last two are on Matrix, too."""

    folder: Path
    homeserver: Homeserver
    workspace: Workspace
    setup: Setup
    bridge: BridgeProcess
    machine: Machine | None
    alice: Member
    dora: Member
    adam: Member
    ops: Channel
    #: The channel that is kept for the self-test.
    kept: Channel
    #: Adam on Matrix, in the ops room of those.
    adam_there: Speaker
    #: A deployer on both sides.
    pia: Member
    pia_there: Speaker
    pia_token: str
    #: The bot's own account, where a test speaks in its place.
    opsbot: Speaker
    room_id: str
    config: Json = field(default_factory=dict)
    _bot: asyncio.subprocess.Process | None = None

    @property
    def team(self) -> Team:
        """The Slack workspace."""
        return self.workspace.team

    @property
    def provisioning(self) -> Provisioning:
        """The bridge's own API, for the bot's account."""
        return Provisioning(self.setup.url, self.setup.provisioning_secret, f"@opsbot:{SERVER}")

    @property
    def log(self) -> Path:
        """What the bot wrote to its log."""
        return self.folder / "opsbot.log"

    @property
    def config_file(self) -> Path:
        """The bot's configuration."""
        return self.folder / "opsbot.yaml"

    def write_config(self) -> None:
        """Write the bot's configuration."""
        self.config_file.write_text(json.dumps(self.config, indent=1))

    def bot_config(self) -> Config:
        """Return the bot's configuration as it is written."""
        return load(self.config_file, {})

    def write_credential(self, name: str, secret: str) -> None:
        """Put a secret into the bot's folder of credentials."""
        file = self.folder / "credentials" / name
        file.touch(mode=0o600)
        file.write_text(secret)

    async def log_in(self) -> None:
        """Let the bridge log in with Slack as the bot's account, and wait until it is connected."""
        await self.provisioning.log_in(bot_token=self.workspace.bot_token, app_token=self.workspace.app_token)
        await self.until_connected()

    async def until_connected(self) -> None:
        """Wait until the bridge hears Slack."""

        async def connected() -> bool:
            return any(one.state == "CONNECTED" for one in await self.provisioning.logins())

        await until(connected, lambda: f"no login is CONNECTED; the bridge's log:\n{self.bridge_words()}")

    def bridge_words(self) -> str:
        """Return the bridge's last words."""
        return self.bridge.log.read_text(errors="replace")[-4000:]

    async def start_bot(self) -> None:
        """Start the bot as `opsbot run` does, and wait until it is in the room."""
        self.write_config()
        with self.log.open("ab") as output:
            self._bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(_TETHER), "opsbot", "run", "--config", str(self.config_file)),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(_TETHER.parents[2])},
            )

        async def joined() -> bool:
            assert self._bot is not None
            assert self._bot.returncode is None, self.log.read_text()[-4000:]
            members = await self.adam_there.ask("GET", f"rooms/{self.room_id}/joined_members")
            return f"@opsbot:{SERVER}" in members["joined"]

        await until(joined, lambda: f"the bot did not come:\n{self.log.read_text()[-4000:]}")

    async def stop_bot(self) -> None:
        """Stop the bot in good order."""
        bot, self._bot = self._bot, None
        if bot is not None and bot.stdin is not None:
            if bot.returncode is None:
                bot.terminate()
            await bot.wait()
            bot.stdin.close()

    async def portal(self, channel: Channel | None = None) -> str:
        """Return the room that the bridge made for a channel, once the bot is in it."""
        wanted, found = f"{self.team.id}-{(channel or self.ops).id}", []

        async def entered() -> bool:
            for room_id in (await self.opsbot.ask("GET", "joined_rooms"))["joined_rooms"]:
                state = await self.opsbot.ask("GET", f"rooms/{room_id}/state")
                bridges = (one["content"] for one in state if one["type"] == "m.bridge")
                if any(content.get("channel", {}).get("id") == wanted for content in bridges):
                    found.append(room_id)
            return bool(found)

        await until(entered, lambda: f"the bot is in no room for {wanted}:\n{self.log.read_text()[-3000:]}")
        return str(found[0])

    async def let_pia_in(self) -> str:
        """Bring Pia's account on Matrix into the portal of #ops, if it is not there; return the room."""
        portal = await self.portal()
        if portal not in (await self.pia_there.ask("GET", "joined_rooms"))["joined_rooms"]:
            await self.opsbot.invite(portal, self.pia_there.user_id)
            await self.pia_there.join(portal)
        return portal

    def told(self, ts: str) -> list[Seen]:
        """Return what was answered in the thread on a message, as a member of Slack sees it now."""
        return [seen for seen in self.team.see(self.ops) if seen.thread == ts]

    async def answer(self, ts: str, *, holds: Callable[[Seen], bool] = bool, within: float = WITHIN) -> Seen:
        """Wait for an answer in the thread on a message that HOLDS likes, and return it."""

        async def answered() -> bool:
            return any(map(holds, self.told(ts)))

        def instead() -> str:
            seen = "\n".join(map(str, self.team.see(self.ops)))
            calls = self.workspace.calls[-8:]
            return f"Slack shows:\n{seen}\n{calls}\nthe bot's log:\n{self.log.read_text()[-3000:]}"

        await until(answered, instead, within=within)
        return next(filter(holds, self.told(ts)))

    async def ask(self, member: Member, words: str) -> Seen:
        """Type a command in Slack and return what is answered first."""
        return await self.answer(self.team.say(member, self.ops, words))

    async def quiet(self, seconds: float = 1.5) -> list[Seen]:
        """Wait until a command that comes now was answered, so that everything before it was seen, too."""
        await asyncio.sleep(1.1)
        ts = self.team.say(self.alice, self.ops, "!hello quiet")
        await self.answer(ts)
        await asyncio.sleep(seconds)
        return [seen for seen in self.team.see(self.ops) if ts not in (seen.ts, seen.thread)]


def configuration(crossing: Crossing) -> Json:
    """Return the bot's configuration."""
    home = {"url": crossing.homeserver.url, "user": f"@opsbot:{SERVER}", "token_file": "token"}
    machine = crossing.machine
    host = {"address": "127.0.0.1", "port": machine.port if machine else 9, "user": "opsbot", "key_file": "ssh-key"}
    host |= {
        "host_key": machine.host_key
        if machine
        else "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHFcMJSgh/0HX1ZIhxmdXD3dBlbHNWsjs5GwjbZVzTwA"
    }
    services = {"hello-bot": {"unit": "hello-bot.service", "http": machine.url("hello-bot")}} if machine else {}
    return {
        "homeserver": home,
        "rooms": [crossing.room_id],
        "bridge": {
            "bot": crossing.setup.bot,
            "team": crossing.team.id,
            "channels": ["all"],
            "test_channel": crossing.kept.id,
            "url": crossing.setup.url,
            "secret_file": "bridge-secret",
            "bot_token_file": "slack-bot-token",
            "app_token_file": "slack-app-token",
        },
        "people": {
            "alice": {"level": "member", "slack": [crossing.alice.id]},
            "dora": {"level": "deployer", "slack": [crossing.dora.id]},
            "pia": {"level": "deployer", "slack": [crossing.pia.id], "accounts": [f"@pia:{SERVER}"]},
            "adam": {"level": "admin", "slack": [crossing.adam.id], "accounts": [f"@adam:{SERVER}"]},
        },
        "rules": [
            {"deny": "projects", "rooms": ["#quiet"], "reason": "nothing is listed in the quiet corner."},
        ],
        "hosts": {"ops-jrz1": host},
        "projects": {
            "hello-bot": {"host": "ops-jrz1", "services": list(services)},
            "web-shop": {"host": "ops-jrz1", "approval": "deployer"},
        },
        "services": services,
        "database": f"sqlite:///{crossing.folder / 'opsbot.db'}",
        "credentials": str(crossing.folder / "credentials"),
    }


@asynccontextmanager
async def crossing(
    folder: Path, *, machine: Machine | None = None, backfill: bool = False, logged_in: bool = True
) -> AsyncIterator[Crossing]:
    """Set up all of it, with the bridge logged in and the bot's configuration written; the bot does not run yet."""
    setup = Setup(folder=folder / "bridge", server_name=SERVER, port=free_port())
    setup.write_registration()
    services = {
        "app_service_config_files": [str(setup.registration_file)],
        "enable_media_repo": True,
        "media_store_path": str(folder / "media"),
    }
    async with AsyncExitStack() as stack:
        homeserver = await stack.enter_async_context(
            Homeserver(folder / "synapse", server_name=SERVER, sync_cache="0s", extra=services)
        )
        team = Team(manifest("opsbot"))
        workspace = await stack.enter_async_context(Workspace(folder / "slack", team))
        people = [team.add_member(name) for name in ("Alice", "Dora", "Adam", "Pia")]
        ops = team.add_channel("ops", *people)
        setup.write_config(setup.configuration(homeserver.url, backfill=backfill))
        bridge = BridgeProcess(setup, workspace.environment, COMMAND)
        stack.push_async_callback(bridge.stop)
        code = await bridge.start()
        assert code is None, f"{shlex.join(COMMAND)} ended with {code}: {bridge.log.read_text()[-2000:]}"
        token = await homeserver.register("opsbot", "opsbot")
        adam_token = await homeserver.register("adam", "adam")
        pia_token = await homeserver.register("pia", "pia")
        adam = await stack.enter_async_context(Speaker.with_token(homeserver.url, adam_token))
        whole = Crossing(
            folder=folder,
            homeserver=homeserver,
            workspace=workspace,
            setup=setup,
            bridge=bridge,
            machine=machine,
            alice=people[0],
            dora=people[1],
            adam=people[2],
            ops=ops,
            kept=team.add_channel("bridge-test", *people),
            adam_there=adam,
            pia=people[3],
            pia_there=await stack.enter_async_context(Speaker.with_token(homeserver.url, pia_token)),
            pia_token=pia_token,
            opsbot=await stack.enter_async_context(Speaker.with_token(homeserver.url, token)),
            room_id=await adam.create_room(f"@opsbot:{SERVER}", name="ops"),
        )
        whole.config = configuration(whole)
        (folder / "credentials").mkdir(mode=0o700)
        for name, secret in {
            "token": token,
            "ssh-key": machine.client_key.read_text() if machine else _any_key(),
            "bridge-secret": setup.provisioning_secret,
            "slack-bot-token": workspace.bot_token,
            "slack-app-token": workspace.app_token,
        }.items():
            whole.write_credential(name, secret)
        stack.push_async_callback(whole.stop_bot)
        if logged_in:
            await whole.log_in()
        yield whole


def _any_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()


async def processed(command: Sequence[str]) -> tuple[int, str]:
    """Run a command; return its exit status and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
