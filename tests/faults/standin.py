"""The stand-in as a world for faults: a NixOS machine in a folder behind the real sshd, Synapse, the real bot."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

from opsbot.demo.homeserver import Homeserver, HomeserverError
from opsbot.demo.stage import DemoError, Door, Stage
from opsbot.standin import processes, samples
from opsbot.standin.errors import ControlError
from opsbot.standin.machine import Machine
from opsbot.standin.profile import Profile
from tests.faults import seen
from tests.faults.clocks import fake_clock
from tests.faults.ground import Ground, comes, happens
from tests.faults.link import Link
from tests.faults.oracle import Books, Host, Systems
from tests.faults.plan import Fault, Kind
from tests.faults.seen import Progress
from tests.onhost.bench import Bench
from tests.sshd import Sshd, descendants

_PROJECT = "hello-bot"
#: What is done is more than a person would ask for.
_UNLIMITED = dict.fromkeys(("person", "room", "queued", "jobs", "all_jobs"), 100_000)
#: Seconds in which the bot must confirm: the shortest that there are, so that a pause may be longer.
WINDOW = 30
#: Seconds until a bot that has ended is started again, as its unit would; there it is five.
_RESTART = 1.0
_TRIES = 5
#: More than a host wants to have free before a deploy.
_DISK = "160m"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Put a disk of its own over a folder, with what was in it."""
    kept = folder.with_name(f"{folder.name}.kept")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, kept, symlinks=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=755", "tmpfs", folder], check=True)
    try:
        shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that a folder's disk has; return what takes it."""
    ballast = folder / ".ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * max(os.statvfs(folder).f_bavail // 2, 1) * os.statvfs(folder).f_frsize)
    return ballast


def held(path: Path) -> bool:
    """Say whether somebody holds the lock of a file, without touching it."""
    try:
        inode = path.stat().st_ino
    except FileNotFoundError:
        return False
    return f":{inode} " in Path("/proc/locks").read_text()


class Standin(Ground):
    """The world; `async with Standin.open(folder) as ground`."""

    def __init__(self, folder: Path, homeserver: Homeserver, machine: Machine, sshd: Sshd, link: Link) -> None:
        super().__init__()
        self.folder = folder
        self.state = machine.root / "var/lib/opsbot"
        self.database = folder / "disk/opsbot.db"
        self.homeserver, self.machine, self.sshd, self.link = homeserver, machine, sshd, link
        self.stage: Stage
        self.deaths = self._deaths_before = 0
        self.bot_clock, self.host_clock = folder / "opsbot/clock", machine.root / "etc/clock"

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[Self]:
        """Build the world in a folder, with the team in its room."""
        async with AsyncExitStack() as stack:
            homeserver = await stack.enter_async_context(Homeserver(folder / "synapse"))
            machine = await stack.enter_async_context(Machine(folder / "host", settle=2))
            stack.enter_context(small_disk(machine.root / "var/lib/opsbot"))
            stack.enter_context(small_disk(folder / "disk"))
            Bench(machine).change_project(_PROJECT, window=WINDOW)
            helper = machine.layout.running / "sw/bin/opsbot-host"
            path = f"PATH={machine.layout.search_path}"
            command: list[str | Path] = ["/usr/bin/env", path, helper, "--config", machine.host_json, "ssh"]
            sshd = stack.enter_context(Sshd(folder=folder / "sshd", command=command))
            link = await stack.enter_async_context(Link(sshd.port))
            ground = cls(folder, homeserver, machine, sshd, link)
            ground._let_clocks_differ()
            await stack.enter_async_context(ground._staged())
            yield ground

    @asynccontextmanager
    async def _staged(self) -> AsyncIterator[None]:
        sshd = self.sshd
        door = Door(port=self.link.port, user=sshd.user, host_key=sshd.host_key, client_key=sshd.client_key)
        async with Stage.open(
            self.folder / "opsbot",
            homeserver=self.homeserver,
            machine=self.machine,
            door=door,
            command=("tests.faults.mortal_bot",),
            more={"database": f"sqlite:///{self.database}", "limits": _UNLIMITED},
        ) as self.stage:
            self.deployer, self.member = (self.stage.people[name] for name in ("deployer", "member"))
            self.room_id = self.stage.room_id
            keeping = asyncio.create_task(self._keep())
            try:
                yield
            finally:
                keeping.cancel()
                await asyncio.wait([keeping])

    async def _keep(self) -> None:
        """Start the bot again whenever it has ended, as its unit does."""
        while True:
            await self.stage.bot_ended()
            self.deaths += 1
            await asyncio.sleep(_RESTART)
            with contextlib.suppress(DemoError, OSError):
                await self.stage.start_bot()

    @property
    def homeserver_pid(self) -> int:
        """The homeserver's process."""
        return 0 if self.homeserver._process is None else self.homeserver._process.pid

    async def homeserver_back(self) -> None:
        """Start the homeserver; on a machine that is very busy it may need more than one try."""
        for tries_left in reversed(range(_TRIES)):
            try:
                return await self.homeserver.start()
            except (TimeoutError, HomeserverError):
                if not tries_left:
                    raise
        raise AssertionError

    def on_the_host(self) -> list[int]:
        """Return everything that runs on the host, the service manager first."""
        ways_in = [] if self.sshd.process is None else descendants(self.sshd.process.pid)
        return [self.machine.pid, *processes.descendants(self.machine.pid), *ways_in]

    def _let_clocks_differ(self) -> None:
        """Have the host's helper look for a clock of its own when it starts."""
        exports = "\n".join(f"  export {name}='{value}'" for name, value in fake_clock(self.host_clock).items())
        for path in self.machine.layout.store.glob("*-opsbot-*/bin/opsbot-host"):
            usual = path.read_text().removeprefix("#!/bin/sh\n")
            other = usual.replace("-m opsbot.onhost", "-m tests.faults.clocks opsbot.onhost")
            path.write_text(f"#!/bin/sh\nif [ -e '{self.host_clock}' ]; then\n{exports}\n{other}fi\n{usual}")

    def release(self, version: str) -> str:
        """Commit something new to the project."""
        repository = self.machine.repositories.projects[_PROJECT]
        return repository.commit(f"Release {version}", samples.project(_PROJECT, version, tested=False))

    def books(self) -> Books:
        """Read the bot's database."""
        return seen.books(self.database)

    async def host(self) -> Host:
        """Look at the machine's folder, and ask its service manager."""
        left = await self._units()
        return await asyncio.to_thread(self._host, tuple(left))

    def _host(self, left: tuple[str, ...]) -> Host:
        layout = self.machine.layout
        profile, running = Profile(layout.profile), self.machine.running()
        systems = (str(running), os.path.realpath(layout.profile), os.path.realpath(layout.boot_default))
        said = subprocess.run([running / "sw/bin/nixos-version", "--json"], capture_output=True, text=True, check=True)
        links = {number: layout.profile.with_name(f"system-{number}-link") for number in profile.numbers()}
        return Host(
            systems=Systems(running=systems[0], default=systems[1], boots=systems[2]),
            generations={number: os.path.realpath(link) for number, link in links.items()},
            current=profile.current(),
            proved=seen.proved(self.state),
            pins=seen.read(running / "etc/opsbot/pins.json"),
            commit=json.loads(said.stdout)["configurationRevision"],
            deployed=self.machine.repositories.platform.find(f"refs/heads/deployed/{self.machine.host}") or "",
            switches=tuple(self._switches()),
            locks=tuple(self._locks()),
            left=(*left, *self._processes(), *seen.roots(self.state)),
        )

    def _switches(self) -> Iterator[str]:
        for line in self.machine.layout.journal.read_text().splitlines():
            message = str(json.loads(line)["message"])
            if message.startswith("switching to system configuration ") and "failed" not in message:
                yield message.rpartition(" ")[2]

    def _locks(self) -> Iterator[str]:
        boot = self.machine.layout.boot_id.read_text().strip()
        yield from seen.holder(self.state, boot)
        for path in (self.state / "jobs/lock", self.machine.layout.switch_lock):
            if held(path):
                yield f"{path.name} of {path.parent.name}"

    async def _units(self) -> list[str]:
        try:
            units = await self.machine.ask("all")
        except ControlError:
            return ["the host does not run"]
        ours = [one for one in units if one["Id"].startswith("opsbot-")]
        return [f"{one['Id']} ({one['ActiveState']})" for one in ours if one["ActiveState"] != "inactive"]

    def _processes(self) -> Iterator[str]:
        """Yield what the helper's units and programs have left; a question of the bot's may be on its way."""
        root = str(self.machine.root).encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if root in b" ".join(words) and (b"unit" in words or b"switch-to-configuration" in words):
                    yield f"process {b' '.join(words[1:]).decode(errors='replace')[-120:]}"

    def evidence(self) -> dict[str, Path]:
        """Return what may tell more."""
        return {
            "opsbot.log": self.stage.log,
            "homeserver.log": self.folder / "synapse/homeserver.log",
            "sshd.log": self.folder / "sshd/log",
            "journal": self.machine.layout.journal,
            "init.log": self.machine.root / "var/log/init.log",
            "jobs": self.state / "jobs",
            "requests": self.state / "requests",
            "opsbot.db": self.database,
            "opsbot.db-wal": self.database.with_name(f"{self.database.name}-wal"),
        }

    async def before(self, fault: Fault) -> None:
        """Tell the bot where to die, or let the clocks be fakes that show the true time still."""
        self._deaths_before = self.deaths
        match fault.kind:
            case Kind.STEP:
                (self.folder / "opsbot/die-at").write_text(fault.at)
            case Kind.CLOCK_BOT:
                self.bot_clock.write_text("+0")
                await self._restarted()
            case Kind.CLOCK_HOST:
                self.host_clock.write_text("+0")
            case _:
                pass

    async def after(self, fault: Fault) -> None:
        """Let the clocks be true again; nobody dies any more."""
        (self.folder / "opsbot/die-at").unlink(missing_ok=True)
        self.host_clock.unlink(missing_ok=True)
        if fault.kind is Kind.CLOCK_BOT:
            self.bot_clock.unlink()
            await self._restarted()

    async def _restarted(self) -> None:
        """Stop the bot in good order; what keeps it starts it again."""
        deaths = self.deaths
        os.kill(self.stage.pid, signal.SIGTERM)
        await self.died(deaths)

    async def died(self, deaths: int | None = None) -> None:
        """Wait until the bot has died once more than so many DEATHS, or than before this fault. Raises MissedError."""
        before = self._deaths_before if deaths is None else deaths
        await happens(lambda: self.deaths != before)

    async def strike(self, fault: Fault, progress: Progress) -> bool:
        """Deal the fault."""
        if fault.kind is not Kind.STEP:
            await comes(fault, progress)
        return await STRIKES[fault.kind](self, fault, progress)


Strike = Callable[[Standin, Fault, Progress], Awaitable[bool]]


def killed(pids: Iterable[int]) -> bool:
    """Kill processes; say whether there were any."""
    alive = [pid for pid in pids if pid and Path(f"/proc/{pid}").exists()]
    processes.send(alive, signal.SIGKILL)
    return bool(alive)


async def _at_step(ground: Standin, _fault: Fault, _progress: Progress) -> bool:
    await ground.died()
    return True


async def _bot(ground: Standin, _fault: Fault, _progress: Progress) -> bool:
    return killed([ground.stage.pid])


async def _homeserver(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    killed([ground.homeserver_pid])
    await asyncio.sleep(fault.lasts)
    await ground.homeserver.stop()
    await ground.homeserver_back()
    return True


async def _reset(ground: Standin, _fault: Fault, _progress: Progress) -> bool:
    return ground.link.reset() > 0


async def _silence(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    found = ground.link.go_silent()
    await asyncio.sleep(fault.lasts)
    ground.link.heal()
    return found > 0


async def _sshd(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    ground.sshd.stop()
    await asyncio.sleep(fault.lasts)
    ground.sshd.start()
    return True


async def _unit(ground: Standin, _fault: Fault, progress: Progress) -> bool:
    """Kill all that the unit's control group holds."""
    (shown,) = await ground.machine.ask("show", units=[f"opsbot-activate@{progress.job}.service"])
    pid = int(shown.get("MainPID", "0"))
    return pid > 0 and killed({pid, *processes.of_session(pid), *processes.descendants(pid)})


async def _power(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    await ground.machine.kill()
    ground.sshd.stop()
    await asyncio.sleep(fault.lasts)
    ground.sshd.start()
    await ground.machine.start()
    return True


async def _paused(fault: Fault, pids: Sequence[int]) -> bool:
    processes.send(pids, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.lasts)
    finally:
        processes.send(pids, signal.SIGCONT)
    return bool(pids)


async def _paused_bot(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    return await _paused(fault, [ground.stage.pid])


async def _paused_homeserver(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    return await _paused(fault, [ground.homeserver_pid])


async def _paused_host(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    processes.send(ground.on_the_host(), signal.SIGSTOP)
    # With what was begun while they were stopped, one after the other.
    return await _paused(fault, ground.on_the_host())


async def _full(fault: Fault, folder: Path) -> bool:
    ballast = fill(folder)
    await asyncio.sleep(fault.lasts)
    ballast.unlink()
    return True


async def _full_bot(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    return await _full(fault, ground.database.parent)


async def _full_host(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    return await _full(fault, ground.state)


def _put_off(clock: Path, fault: Fault) -> bool:
    # By rename: somebody may read it at this moment.
    fresh = clock.with_suffix(".new")
    fresh.write_text(f"{fault.lasts:+.0f}")
    fresh.replace(clock)
    return True


async def _clock_bot(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    return _put_off(ground.bot_clock, fault)


async def _clock_host(ground: Standin, fault: Fault, _progress: Progress) -> bool:
    return _put_off(ground.host_clock, fault)


STRIKES: Mapping[Kind, Strike] = {
    Kind.STEP: _at_step,
    Kind.BOT: _bot,
    Kind.HOMESERVER: _homeserver,
    Kind.RESET: _reset,
    Kind.SILENCE: _silence,
    Kind.SSHD: _sshd,
    Kind.UNIT: _unit,
    Kind.HOST: _power,
    Kind.PAUSED_BOT: _paused_bot,
    Kind.PAUSED_HOMESERVER: _paused_homeserver,
    Kind.PAUSED_HOST: _paused_host,
    Kind.FULL_BOT: _full_bot,
    Kind.FULL_HOST: _full_host,
    Kind.CLOCK_BOT: _clock_bot,
    Kind.CLOCK_HOST: _clock_host,
}
