"""The stand-in machine as its maker sees it: built in a folder, started, cut off, rebooted, taken away."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Self

import asyncssh

from opsbot.standin import control, faults, flake, launchers, processes, repositories
from opsbot.standin.build import Builder
from opsbot.standin.nixstore import Store
from opsbot.standin.paths import Layout, link, write
from opsbot.standin.profile import Profile
from opsbot.standin.repositories import Repositories
from opsbot.standin.server import USER
from opsbot.standin.system import SystemBuilder

PROJECTS = ("hello-bot", "web-shop")
#: The number of the generation that runs when a machine is new.
FIRST_RUNNING = 31
_STOP_WITHIN = 15.0


def _reserve() -> socket.socket:
    """Hold a free loopback port: refused to strangers, and still free for whoever listens on it with SO_REUSEADDR."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


class Machine:
    """A NixOS host named HOST in the folder ROOT, which must be new or empty.

    PACE is the time between two lines of a build log, in seconds. In `async with` it runs; afterwards nothing does.
    """

    user = USER

    def __init__(self, root: Path, *, host: str = "ops-jrz1", pace: float = 0.0, settle: int = 3) -> None:
        self.host = host
        self.layout = Layout(Path(os.path.realpath(root)))
        self.store = Store(self.layout)
        self.host_key = ""
        self._pace = pace
        self._settle = settle
        self._ports: dict[str, socket.socket] = {}
        self._init: asyncio.subprocess.Process | None = None
        self._repositories: Repositories | None = None

    @property
    def root(self) -> Path:
        """The folder."""
        return self.layout.root

    @property
    def port(self) -> int:
        """Where its SSH server listens, on loopback; it stays the same over restarts."""
        return int(self._ports["ssh"].getsockname()[1])

    @property
    def pid(self) -> int:
        """Its process 1; everything that runs on it descends from there."""
        return self._init.pid if self._init is not None else 0

    @property
    def client_key(self) -> Path:
        """The private key that may log in."""
        return self.layout.ssh / "client_ed25519_key"

    @property
    def host_json(self) -> Path:
        """The configuration of `opsbot-host`."""
        return self.layout.host_json

    @property
    def repositories(self) -> Repositories:
        """The git repositories that it deploys from."""
        if self._repositories is None:
            raise RuntimeError("the machine has not been made yet")
        return self._repositories

    def url(self, project: str) -> str:
        """Return the address that the service of a project answers on."""
        return f"http://127.0.0.1:{self.repositories.ports[project]}/"

    def running(self) -> Path:
        """Return the system that runs."""
        return Path(os.path.realpath(self.layout.running))

    async def __aenter__(self) -> Self:
        self._ports = {name: _reserve() for name in ("ssh", *PROJECTS)}
        try:
            await asyncio.to_thread(self._make)
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        for held in self._ports.values():
            held.close()

    def _make(self) -> None:
        for folder in (self.layout.store, self.layout.database, self.layout.profile.parent, self.root / "run"):
            folder.mkdir(parents=True, exist_ok=True)
        settings = {"host": self.host, "pace": self._pace, "port": self.port}
        write(self.root / "etc/standin/settings.json", json.dumps(settings))
        launchers.install(self.layout)
        self._make_keys()
        ports = {name: int(self._ports[name].getsockname()[1]) for name in PROJECTS}
        self._repositories = repositories.make(self.root / "srv/git", self.store, self.host, ports)
        self._make_generations()
        self._configure()

    def _make_keys(self) -> None:
        self.layout.ssh.mkdir(parents=True, exist_ok=True)
        keys = {"ssh_host_ed25519_key": "", "client_ed25519_key": ""}
        for name in keys:
            key = asyncssh.generate_private_key("ssh-ed25519", comment=f"{USER}@{self.host}")
            key.write_private_key(str(self.layout.ssh / name))
            keys[name] = key.export_public_key().decode().strip()
        self.host_key = keys["ssh_host_ed25519_key"]
        write(self.layout.ssh / "authorized_keys", keys["client_ed25519_key"] + "\n")

    def _make_generations(self) -> None:
        deployed = self.repositories.deployed
        profile = Profile(self.layout.profile)
        for number, (commit, days) in enumerate(deployed, FIRST_RUNNING - len(deployed) + 1):
            system = self.build(commit)
            profile.add(system, number, days_ago=days)
            link(self.layout.boot_default, system)

    def build(self, commit: str) -> Path:
        """Build the system of a platform's commit, quietly, and return its store path."""
        ref = flake.Ref(url=self.repositories.platform.url, rev=commit)
        builder = SystemBuilder(Builder(self.store, lambda _: None))
        return builder.build(flake.tree(self.store, ref), commit, self.host)

    def _configure(self) -> None:
        projects = {
            name: {
                "url": repository.url,
                "branches": ["main", *repositories.UNMERGED],
                "units": [f"{name}.service"],
                "http": [self.url(name)],
                "settle": self._settle,
            }
            for name, repository in self.repositories.projects.items()
        }
        said = {
            "host": self.host,
            "state": str(self.root / "var/lib/opsbot"),
            "profile": str(self.layout.profile),
            "running": str(self.layout.running),
            "booted": str(self.layout.booted),
            "boot_id": str(self.layout.boot_id),
            "switch_lock": str(self.layout.switch_lock),
            # What the machine that we run on has free is none of this one's business.
            "free": {"/nix": 0, "/boot": 0, str(self.layout.store): 1},
            "platform": {"url": self.repositories.platform.url},
            "projects": projects,
            "restart": ["nginx.service", *(f"{name}.service" for name in projects)],
        }
        write(self.host_json, json.dumps(said, indent=2))
        for name in ("requests", "builds", "jobs", "published"):
            (self.root / "var/lib/opsbot" / name).mkdir(parents=True, exist_ok=True)

    async def start(self) -> None:
        """Switch it on and wait until it has booted."""
        log = self.root / "var/log/init.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", "-m", "opsbot.standin", "--root", str(self.root), "init"]
        with log.open("ab") as file:
            self._init = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": launchers.package_folder()},
            )
        if self._init.stdout is None or await self._init.stdout.readline() != b"booted\n":
            raise RuntimeError(f"the stand-in machine did not boot:\n{log.read_text()}")

    async def stop(self) -> None:
        """Switch it off in good order; everything that ran on it has ended."""
        if self._init is None or self._init.stdin is None:
            return
        self._init.stdin.close()
        try:
            await asyncio.wait_for(self._init.wait(), _STOP_WITHIN)
        except TimeoutError:
            await self.kill()
        self._init = None

    async def kill(self) -> None:
        """Pull the plug: everything on it ends at once; `start` brings it back."""
        if self._init is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init.pid, signal.SIGSTOP)
        processes.send([*processes.descendants(self._init.pid), self._init.pid], signal.SIGKILL)
        await self._init.wait()
        self._init = None

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """Ask its service manager something (see `init.Init`). Raises ControlError."""
        return await asyncio.to_thread(control.ask, self.layout, verb, **arguments)

    async def state(self, unit: str) -> str:
        """Return whether a unit is `active`, `inactive`, `failed` or `not-found`."""
        (shown,) = await self.ask("show", units=[unit])
        return str(shown["LoadState"] if shown["LoadState"] == "not-found" else shown["ActiveState"])

    async def cut(self) -> None:
        """Drop its SSH connections and refuse new ones; what runs goes on."""
        await self.ask("cut")

    async def heal(self) -> None:
        """Accept SSH connections again."""
        await self.ask("heal")

    async def reboot(self) -> None:
        """Reboot it without warning, as a power cut would, into what its boot loader starts."""
        await self.ask("reboot")

    async def elapse(self, seconds: float) -> None:
        """Let SECONDS pass for every timer on it."""
        await self.ask("skip", seconds=seconds)

    def fail(self, name: str, *, status: int, says: str = "", argument: str | None = None, after: float = 0) -> None:
        """Let something go wrong once: a program of its bin, by name, when it is called with ARGUMENT.

        Other names: `boot-loader`, `activate` (the activation script), `switch-stopped` (a switch that dies when the
        services are stopped). AFTER is how long it takes, in seconds.
        """
        faults.put(self.layout, name, status=status, says=says, argument=argument, after=after)
