"""The whole world of a story: a host that is switched, what runs on it, and the team in its room."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from opsbot.demo.speaker import Line, Speaker, SpeakerError
from opsbot.standin.repositories import Repository
from tests.system import platform
from tests.system.debian import THERE, Debian

TEAM = ("admin", "deployer", "member")
SERVER = "ops.test"
URL = f"http://{THERE}:{platform.ROOM_PORT}"
ROOM = f"#ops:{SERVER}"
#: What goes before a program that fetches from the host's forge, as root.
FETCHING = ("env", "GIT_SSH_COMMAND=ssh -i /etc/opsbot/fetch-key -o IdentitiesOnly=yes", "HOME=/srv")
_ANSWER = 5.0


def host_settings() -> dict[str, Any]:
    """Return the host's configuration."""
    remotes = {name: {"url": platform.url(name)} for name in platform.PROJECTS}
    hello = {"units": ["hello-bot.service"], "http": ["http://127.0.0.1:8000/"], "window": 40, "settle": 5}
    return {
        "host": platform.HOST,
        "platform": {"url": platform.url("platform")},
        "projects": {
            "hello-bot": {**remotes["hello-bot"], **hello},
            "opsbot": {**remotes["opsbot"], "units": ["opsbot.service"], "window": 90},
        },
        "restart": ["hello-bot.service"],
    }


def bot_settings(host_key: str) -> dict[str, Any]:
    """Return the bot's configuration."""
    host = {"address": "127.0.0.1", "port": 22, "user": "opsbot", "host_key": host_key, "key_file": "ssh-key"}
    hello = {"unit": "hello-bot.service", "http": "http://127.0.0.1:8000/"}
    return {
        # As others reach it: what cuts the host off is to be seen from here, too.
        "homeserver": {"url": URL, "user": f"@opsbot:{SERVER}", "token_file": "matrix-token"},
        "rooms": [ROOM],
        "people": {name: {"level": name, "accounts": [f"@{name}:{SERVER}"]} for name in TEAM},
        "hosts": {platform.HOST: host},
        "projects": {
            "hello-bot": {"host": platform.HOST, "services": ["hello-bot"]},
            "opsbot": {"host": platform.HOST, "services": ["opsbot"]},
        },
        "services": {
            "homeserver": {"unit": "matrix-synapse.service", "http": f"{URL}/_matrix/client/versions"},
            "opsbot": {"unit": "opsbot.service"},
            "hello-bot": hello,
        },
        "database": "sqlite:////var/lib/opsbot-bot/opsbot.db",
    }


def lock_of(debian: Debian, commit: str, *inputs: str) -> str:
    """Return flake.lock of a commit of the platform with the newest commits of some inputs; of all that have none."""
    work = "/srv/work"
    debian.run("rm", "-rf", work)
    debian.run(*FETCHING, "git", "clone", "--quiet", platform.url("platform"), work)
    debian.run("git", "-C", work, "checkout", "--quiet", commit)
    words = ("update", *inputs, "--flake") if inputs else ("lock",)
    debian.run(*FETCHING, "nix", "flake", *words, work)
    return (debian.root / work[1:] / "flake.lock").read_text()


@dataclass
class World:
    """A host and its repositories; in the room, when it is entered, the team."""

    debian: Debian
    people: dict[str, Speaker] = field(default_factory=dict)
    room_id: str = ""
    _seen: list[Line] = field(default_factory=list)

    def repository(self, name: str) -> Repository:
        """Return a repository of the forge that the host itself is."""
        return Repository(self.debian.root / f"srv/git/{name}.git")

    def commit(self, name: str, subject: str, files: Mapping[str, str], **more: Any) -> str:
        """Commit files to a repository and return the commit."""
        commit = self.repository(name).commit(subject, files, **more)
        self.debian.run("chown", "--recursive", "git:git", f"/srv/git/{name}.git")
        return commit

    def change(self, subject: str, files: Mapping[str, str]) -> str:
        """Commit files to the platform's main; what it pins stays."""
        return self.commit("platform", subject, files)

    def bring(self, subject: str, changes: Mapping[str, str], *inputs: str) -> str:
        """Commit CHANGES to the platform's main together with the newest commits of some inputs."""
        lock = lock_of(self.debian, self.change(subject, changes), *inputs)
        return self.change(f"{subject}: lock", {"flake.lock": lock})

    def unit(self, name: str) -> str:
        """Return a unit file of the platform's main."""
        return self.repository("platform").read(f"etc/systemd/system/{name}")

    def window(self, seconds: int) -> None:
        """Let the host wait so long for a word from the bot, from the next deploy on."""
        said = json.loads(self.debian.said("cat", "/etc/opsbot/host.json"))
        for project in said["projects"].values():
            project["window"] = seconds
        self.debian.run("rm", "/etc/opsbot/host.json")
        (self.debian.root / "etc/opsbot/host.json").write_text(json.dumps(said))

    def process(self, unit: str) -> str:
        """Return the main process of a unit."""
        return self.debian.said("systemctl", "show", "--property=MainPID", "--value", unit)

    def running(self) -> str:
        """Return the system that runs."""
        return self.debian.said("readlink", "-f", "/run/current-system")

    def default(self) -> str:
        """Return the system that the profile names."""
        return self.debian.said("readlink", "-f", "/nix/var/nix/profiles/system")

    def boots(self) -> str:
        """Return the system that the next boot would start."""
        return self.debian.said("readlink", "-f", "/boot/loader/default")

    def greeting(self) -> str:
        """Return what the project's service says."""
        script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/', timeout=5).read().decode())"
        return self.debian.said("python3", "-c", script)

    def log(self, unit: str, lines: int = 60) -> str:
        """Return the end of a unit's journal."""
        return self.debian.said("journalctl", f"--unit={unit}", f"--lines={lines}", "--no-pager", "--output=cat")

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Self]:
        """Bring the team into its room; the homeserver must answer."""
        said = json.loads((self.debian.root / "srv/team.json").read_text())
        async with asyncio.timeout(60):
            while not await answers():  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.2)
        async with AsyncExitStack() as stack:
            for name, token in said["tokens"].items():
                self.people[name] = await stack.enter_async_context(Speaker.with_token(URL, token))
            self.room_id = said["room"]
            yield self

    async def say(self, name: str, words: str) -> str:
        """Say something in the room as one of the team; return the event's id."""
        return await self.people[name].say(self.room_id, words)

    async def lines(self) -> list[Line]:
        """Return the messages of the room; those seen last while the homeserver is away."""
        with suppress(aiohttp.ClientError, TimeoutError, SpeakerError, OSError):
            async with asyncio.timeout(_ANSWER):
                self._seen = await self.people["admin"].lines(self.room_id)
        return self._seen

    async def until(self, found: Callable[[list[Line]], bool], within: float = 90.0) -> list[Line]:
        """Wait until FOUND likes what stands in the room, and return it."""
        try:
            async with asyncio.timeout(within):
                while not found(await self.lines()):  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(0.3)
        except TimeoutError:
            said = "\n".join(f"{line.sender}: {line.body}" for line in self._seen)
            raise AssertionError(f"It was not said within {within:g} s:\n{said}\n{self.log('opsbot')}") from None
        return self._seen

    async def answer(self, name: str, words: str, within: float = 60.0) -> str:
        """Say something and return the first answer to it."""
        event = await self.say(name, words)
        lines = await self.until(lambda lines: any(line.thread == event for line in lines), within)
        return next(line.body for line in lines if line.thread == event)

    async def end(self, number: int, within: float = 120.0) -> str:
        """Wait for the closing line of a job and return it; it must be the only one."""
        mark = f"(#{number}, "
        lines = await self.until(lambda lines: any(_closes(line, mark) for line in lines), within)
        closing = [line.body for line in lines if _closes(line, mark)]
        assert len(closing) == 1, closing
        return closing[0]

    async def deploy(self, words: str, number: int, within: float = 120.0) -> str:
        """Ask for a deploy as the admin and return its closing line."""
        await self.say("admin", words)
        return await self.end(number, within)


def _closes(line: Line, mark: str) -> bool:
    return line.thread is None and line.sender.startswith("@opsbot:") and mark in line.body


async def answers() -> bool:
    """Say whether the homeserver answers."""
    try:
        async with (
            asyncio.timeout(_ANSWER),
            aiohttp.ClientSession() as session,
            session.get(f"{URL}/_matrix/client/versions") as answer,
        ):
            return answer.ok
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
