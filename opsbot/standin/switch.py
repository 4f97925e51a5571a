"""`switch-to-configuration`: the order of its work, its lines and its exit codes are those of NixOS."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from opsbot.standin import changes as change
from opsbot.standin import faults
from opsbot.standin.control import ask
from opsbot.standin.errors import ControlError
from opsbot.standin.journal import Journal
from opsbot.standin.paths import Layout, link, write
from opsbot.standin.systemd import status

#: How long a unit may take to fall over before it is looked at, in seconds.
_SETTLE = 0.25
_USAGE, _ACTIVATE_FAILED, _UNITS_FAILED, _NEEDS_REBOOT = 1, 2, 4, 100
_LISTS = ("start", "restart", "reload")


class _StopError(Exception):
    """The switch ends here, with this exit status."""

    def __init__(self, code: int, says: str = "") -> None:
        super().__init__(says)
        self.code = code


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _list(words: str, units: Iterable[str]) -> None:
    if names := sorted(units):
        _say(f"{words} the following units: {', '.join(names)}")


def main(layout: Layout, arguments: Sequence[str]) -> int:
    """Bring the system that the first argument names into force; return the exit status of the real program."""
    system, *words = arguments
    if len(words) != 1 or words[0] not in {"switch", "boot", "test", "dry-activate", "check"}:
        _say(f"Usage: {system}/bin/switch-to-configuration [switch|boot|test|dry-activate|check]")
        return _USAGE
    lock = layout.switch_lock
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _Switch(layout, Path(system)).run(words[0])
        except BlockingIOError:
            _say("Could not acquire lock")
            return errno.EAGAIN
        except _StopError as error:
            _say(str(error))
            return error.code


class _Switch:
    """One switch to a system."""

    def __init__(self, layout: Layout, system: Path) -> None:
        self.layout = layout
        self.system = system
        self.code = 0

    def run(self, action: str) -> int:
        """Do what ACTION asks for, in the order of the real program."""
        if action in {"switch", "boot"}:
            self._install_boot_loader()
        if action in {"boot", "check"}:
            return 0
        self._same_init()
        old = change.read(self.layout.units)
        new = change.read(self.system / "etc/systemd/system")
        shown = ask(self.layout, "all")
        active = {one["Id"] for one in shown if one["ActiveState"] in {"active", "activating"}}
        changes = change.compare(old, new, active)
        if action == "dry-activate":
            _foresee(changes)
            return 0
        journal = Journal(self.layout)
        journal.write("", "nixos", f"switching to system configuration {self.system}", os.getpid())
        self._switch(changes, active)
        how = "finished switching" if self.code == 0 else "switching"
        end = "" if self.code == 0 else f" failed (status {self.code})"
        journal.write("", "nixos", f"{how} to system configuration {self.system}{end}", os.getpid())
        return self.code

    def _install_boot_loader(self) -> None:
        if faults.take(self.layout, "boot-loader") is not None:
            raise _StopError(_USAGE, "Failed to install bootloader")
        link(self.layout.boot_default, self.system)

    def _same_init(self) -> None:
        old, new = ((path / "init-interface-version").read_text() for path in (self.layout.running, self.system))
        if old != new:
            raise _StopError(
                _NEEDS_REBOOT,
                "Warning: the new NixOS configuration has an 'init' that is incompatible with the current "
                "configuration. The new configuration won't take effect until you reboot the system.",
            )

    def _switch(self, changes: change.Changes, active: set[str]) -> None:
        pending = self._remember(changes)
        _list("stopping", changes.stop)
        if changes.left:
            _say(f"NOT restarting the following changed units: {', '.join(sorted(changes.left))}")
        for unit in sorted(changes.stop):
            self._try("stop", unit)
        if (code := faults.take(self.layout, "switch-stopped")) is not None:
            raise _StopError(code, "thread 'main' panicked at src/main.rs: failed printing to stderr: Broken pipe")
        self._activate()
        ask(self.layout, "reset")
        _list("reloading", pending["reload"])
        _list("restarting", pending["restart"])
        for unit in sorted(pending["restart"]):
            self._try("restart", unit)
        self._start(pending["start"], active - changes.stop)
        for name in _LISTS:
            self._pending(name).unlink(missing_ok=True)
        time.sleep(_SETTLE)
        self._look()

    def _pending(self, name: str) -> Path:
        return self.layout.root / f"run/nixos/{name}-list"

    def _remember(self, changes: change.Changes) -> dict[str, set[str]]:
        """Write down what is to be done, with what an earlier switch left undone."""
        pending: dict[str, set[str]] = {}
        for name in _LISTS:
            path = self._pending(name)
            left = set(path.read_text().split()) if path.exists() else set()
            pending[name] = left | getattr(changes, name)
            write(path, "".join(f"{unit}\n" for unit in sorted(pending[name])))
        return pending

    def _activate(self) -> None:
        _say("activating the configuration...")
        done = subprocess.run([str(self.system / "activate")], check=False, stdout=sys.stderr)
        if done.returncode or faults.take(self.layout, "activate") is not None:
            _say("Failed to run activate script")
            self.code = _ACTIVATE_FAILED

    def _start(self, units: set[str], active: set[str]) -> None:
        wanted = set(ask(self.layout, "wanted"))
        known = {unit for unit in units if unit in wanted or "@" in unit}
        _list("starting", known)
        new = wanted - known - active
        for unit in sorted(known | new):
            self._try("start", unit)
        began = [one["Id"] for one in ask(self.layout, "show", units=sorted(new)) if one["ActiveState"] == "active"]
        if began:
            _say(f"the following new units were started: {', '.join(sorted(began))}")

    def _try(self, verb: str, unit: str) -> None:
        try:
            ask(self.layout, verb, unit=unit)
        except ControlError:
            _say(f"Failed to {verb} {unit}")
            self.code = _UNITS_FAILED

    def _look(self) -> None:
        failed = [one for one in ask(self.layout, "all") if _has_failed(one)]
        if failed:
            _say(f"warning: the following units failed: {', '.join(sorted(one['Id'] for one in failed))}")
            for one in failed:
                _say("\n".join(status(self.layout, one)))
            self.code = _UNITS_FAILED


def _has_failed(shown: dict[str, str]) -> bool:
    again = shown["SubState"] == "auto-restart" and shown["ExecMainStatus"] != "0"
    return shown["ActiveState"] == "failed" or again


def _foresee(changes: change.Changes) -> None:
    _list("would stop", changes.stop)
    if changes.left:
        _say(f"would NOT stop the following changed units: {', '.join(sorted(changes.left))}")
    _say("would activate the configuration...")
    _list("would reload", changes.reload)
    _list("would restart", changes.restart)
    _list("would start", changes.start)
