"""A Debian that runs under systemd-nspawn: booted, cut off from power, spoken to as root at its console."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.system import launch
from tests.system.image import overlay

#: The two ends of the cable between the tests and the host.
HERE, THERE = "192.0.2.1", "192.0.2.2"
_BOOT = 60.0
_NEW_NETWORK = 0x40000000
_LAUNCH = str(Path(launch.__file__))


def own_network() -> None:
    """Leave the machine's network for a new one, which has nothing but what the tests put into it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "a network of our own cannot be made")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def until(true: Callable[[], object], what: str, within: float = _BOOT) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Within {within:g} s it did not happen: {what}.")
        time.sleep(0.1)


class Debian:
    """A Debian on LAYERS of files, highest first; what it writes goes to UPPER. In `with` it is there, switched off."""

    def __init__(self, place: Path, layers: list[Path], upper: Path) -> None:
        self.name = f"osb{os.getpid() % 100000}"
        self.root = place / "root"
        self.console = place / "console.log"
        self._place, self._layers, self._upper = place, layers, upper
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(overlay(self._place, self._layers, self._upper))
        return self

    def __exit__(self, *_: object) -> None:
        self.power_cut()
        self._stack.close()

    def boot(self) -> None:
        """Switch it on and wait until it has started what it starts."""
        with self.console.open("ab") as output:
            self._nspawn = subprocess.Popen(
                [sys.executable, _LAUNCH, self.name, *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )
        until(lambda: self.leader, f"{self.name} has a systemd")
        self.plug_in()
        until(lambda: self.said("systemctl", "is-system-running") in ("running", "degraded"), "it has booted")

    def _command(self) -> list[str]:
        # In place of --boot, which would start systemd before our second stage could activate the default system.
        return [
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--machine={self.name}",
            f"--directory={self.root}", "--network-veth", "--console=pipe", "--kill-signal=SIGRTMIN+3",
            "--link-journal=no", "/boot/init",
        ]  # fmt: skip

    @property
    def leader(self) -> int:
        """Its process 1 as this machine sees it; 0 while there is none."""
        if self._nspawn is None or self._nspawn.poll() is not None:
            return 0
        try:
            task = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
            children = [int(pid) for pid in task.read_text().split()]
            return next((pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "systemd\n"), 0)
        except OSError:
            return 0

    def plug_in(self) -> None:
        """Give our end of the cable its address; the host sees to its own."""
        cable = f"ve-{self.name}"
        for words in (("addr", "replace", f"{HERE}/24", "dev", cable), ("link", "set", cable, "up")):
            subprocess.run(["ip", *words], check=True, env={"PATH": f"{os.environ['PATH']}:/sbin:/usr/sbin"})

    def run(self, *argv: str, user: str = "root", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as somebody at the console."""
        inside = ["nsenter", f"--target={self.leader}", "--all", "env", "-i", f"PATH={_PATH}", "LC_ALL=C.UTF-8"]
        wanted = [*inside, *(() if user == "root" else ("setpriv", *_as(user))), *argv]
        done = subprocess.run(wanted, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise RuntimeError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def said(self, *argv: str) -> str:
        """Return what a program wrote, however it ended."""
        return self.run(*argv, check=False).stdout.strip()

    def state(self, unit: str) -> str:
        """Return what systemd says of a unit."""
        return self.said("systemctl", "is-active", unit)

    def power_cut(self) -> None:
        """Pull the plug: everything that runs on it is gone at once."""
        if self.leader:
            os.kill(self.leader, signal.SIGKILL)
        if self._nspawn is not None:
            try:
                self._nspawn.wait(10)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        self._nspawn = None
        for group in launch.groups(self.name):
            for folder in (*sorted(group.rglob("*"), reverse=True), group):
                if folder.is_dir():
                    folder.rmdir()

    def shut_down(self) -> None:
        """Switch it off in good order."""
        assert self._nspawn is not None
        self.run("systemctl", "poweroff", check=False)
        self._nspawn.wait(_BOOT)
        self.power_cut()

    def forget(self) -> None:
        """Throw away what it wrote."""
        shutil.rmtree(self._upper, ignore_errors=True)


_PATH = "/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _as(user: str) -> tuple[str, ...]:
    return (f"--reuid={user}", f"--regid={user}", "--init-groups")
