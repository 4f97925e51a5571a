"""A Debian under systemd-nspawn as a world for faults: the system tier's host, on which bot and homeserver live."""

import asyncio
import atexit
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from tests.faults import seen
from tests.faults.ground import Ground, comes
from tests.faults.oracle import Books, Host, Systems
from tests.faults.plan import Fault, Kind
from tests.faults.seen import Progress
from tests.system import image, platform
from tests.system.debian import Debian
from tests.system.install import install
from tests.system.world import World

_DATABASE = "var/lib/private/opsbot-bot/opsbot.db"
_LOCKS = ("/var/lib/opsbot/jobs/lock", "/run/nixos/switch-to-configuration.lock")
_UNITS = ("opsbot-activate@*", "opsbot-prepare@*", "opsbot-publish@*", "opsbot-revert@*", "opsbot-deadman-*")
#: What is killed, by its unit.
_KILLED = {Kind.BOT: "opsbot.service", Kind.HOMESERVER: "matrix-synapse.service"}

_installed: list[Path] = []


async def _layers() -> list[Path]:
    """Return the layers of a host on which everything is installed; it is installed once for this process."""
    if not _installed:
        # The repositories belong to a user of the host's; we commit to them from outside.
        for key, value in {"COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": "*"}.items():
            os.environ[f"GIT_CONFIG_{key}"] = value
        place, lower = Path(tempfile.mkdtemp(prefix="opsbot-installed-")), image.layers()
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        with Debian(place, lower, place / "upper") as debian:
            await install(debian)
        _installed.extend([place / "upper", *lower])
    return _installed


class Booted(Ground):
    """The world; `async with Booted.open(folder) as ground`."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__()
        self.folder = folder
        self.state = world.debian.root / "var/lib/opsbot"
        self.database = world.debian.root / _DATABASE
        self.deployer, self.member = world.people["deployer"], world.people["member"]
        self.room_id = world.room_id
        self._world, self._debian = world, world.debian

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[Self]:
        """Boot a host of its own."""
        with Debian(folder, await _layers(), folder / "upper") as debian:
            # What the journal says is to be there after a power cut.
            (debian.root / "var/log/journal").mkdir(exist_ok=True)
            debian.boot()
            async with World(debian).entered() as world:
                yield cls(folder, world)
            debian.power_cut()
        shutil.rmtree(folder / "upper", ignore_errors=True)

    def release(self, version: str) -> str:
        """Commit something new to the project."""
        return self._world.commit("hello-bot", f"Release {version}", platform.hello_bot(version))

    def books(self) -> Books:
        """Read the bot's database."""
        return seen.books(self.database)

    async def host(self) -> Host:
        """Look at the host as root at its console."""
        debian, root = self._debian, self._debian.root
        running = self._world.running()
        systems = Systems(running=running, default=self._world.default(), boots=self._world.boots())
        folder = root / "nix/var/nix/profiles"
        links = {int(path.name.split("-")[1]): str(path.readlink()) for path in folder.glob("system-*-link")}
        return Host(
            systems=systems,
            generations=links,
            current=int((folder / "system").readlink().name.split("-")[1]),
            proved=seen.proved(self.state),
            pins=seen.read(root / running[1:] / "etc/opsbot/pins.json"),
            commit=json.loads(debian.said("nixos-version", "--json") or "{}").get("configurationRevision", ""),
            deployed=self._world.repository("platform").find(f"refs/heads/deployed/{platform.HOST}") or "",
            switches=tuple(self._switches()),
            locks=tuple(self._locks()),
            left=(*self._left(), *seen.roots(self.state)),
        )

    def _switches(self) -> Iterator[str]:
        for line in self._debian.said("journalctl", "-t", "nixos", "-o", "cat", "--no-pager").splitlines():
            if line.startswith("switching to system configuration ") and "failed" not in line:
                yield line.rpartition(" ")[2]

    def _locks(self) -> Iterator[str]:
        yield from seen.holder(self.state, self._debian.said("cat", "/proc/sys/kernel/random/boot_id"))
        held = self._debian.said("cat", "/proc/locks")
        for path in _LOCKS:
            inode = self._debian.said("stat", "--format=%i", path)
            if inode and f":{inode} " in held:
                yield path

    def _left(self) -> Iterator[str]:
        listing = ("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", *_UNITS)
        for line in self._debian.said(*listing).splitlines():
            unit, _, active, *_ = line.split()
            if active != "inactive":
                yield f"{unit} ({active})"
        for line in self._debian.said("ps", "-eo", "args").splitlines():
            if ("opsbot-host" in line and " unit " in line) or "switch-to-configuration" in line:
                yield f"process {line[-120:]}"

    async def before(self, fault: Fault) -> None:
        """Nothing needs to be made ready."""

    async def after(self, fault: Fault) -> None:
        """Nothing needs to be taken back."""

    async def strike(self, fault: Fault, progress: Progress) -> bool:
        """Deal the fault."""
        await comes(fault, progress)
        match fault.kind:
            case Kind.UNIT:
                return self._kill(f"opsbot-activate@{progress.job}.service")
            case Kind.SSHD:
                # With every session: it starts again by itself.
                return self._debian.run("pkill", "--signal=KILL", "sshd", check=False).returncode == 0
            case Kind.HOST:
                self._debian.power_cut()
                await asyncio.sleep(fault.lasts)
                self._debian.boot()
                return True
            case kind:
                return self._kill(_KILLED[kind])

    def _kill(self, unit: str) -> bool:
        return self._debian.run("systemctl", "kill", "--signal=KILL", unit, check=False).returncode == 0

    def evidence(self) -> dict[str, Path]:
        """Return what may tell more."""
        journal = self.folder / "journal"
        journal.write_text(self._debian.said("journalctl", "--no-pager", "--lines=5000"))
        return {
            "console.log": self._debian.console,
            "journal": journal,
            "jobs": self.state / "jobs",
            "requests": self.state / "requests",
            "opsbot.db": self.database,
            "opsbot.db-wal": self.database.with_name(f"{self.database.name}-wal"),
        }
