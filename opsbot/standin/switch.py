"""`switch-to-configuration`: the order of its work, its lines and its exit codes are those of NixOS."""

import errno
import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from opsbot.standin import changes as change
from opsbot.standin import faults
from opsbot.standin.paths import Layout, link, write
from opsbot.standin.services import Services, StandinServices

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


def main(layout: Layout, arguments: Sequence[str], services: Services | None = None) -> int:
    """Bring the system that the first argument names into force; return the exit status of the real program.

    SERVICES is the service manager, if it is another than the stand-in's.
    """
    system, *words = arguments
    if len(words) != 1 or words[0] not in {"switch", "boot", "test", "dry-activate", "check"}:
        _say(f"Usage: {system}/bin/switch-to-configuration [switch|boot|test|dry-activate|check]")
        return _USAGE
    lock = layout.switch_lock
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _Switch(layout, Path(system), services or StandinServices(layout)).run(words[0])
        except BlockingIOError:
            _say("Could not acquire lock")
            return errno.EAGAIN
        except _StopError as error:
            _say(str(error))
            return error.code


class _Switch:
    """One switch to a system."""

    def __init__(self, layout: Layout, system: Path, services: Services) -> None:
        self.layout = layout
        self.system = system
        self.services = services
        self.code = 0

    def run(self, action: str) -> int:
        """Do what ACTION asks for, in the order of the real program."""
        if action != "boot":
            self._pre_switch_checks()
        if action in {"switch", "boot"}:
            self._install_boot_loader()
        if action in {"boot", "check"}:
            return 0
        self._same_init()
        old = change.read(self.layout.units)
        new = change.read(self.system / "etc/systemd/system")
        active = self.services.active()
        changes = change.compare(old, new, active)
        if action == "dry-activate":
            _foresee(changes)
            return 0
        self.services.note(f"switching to system configuration {self.system}")
        self._switch(changes, active)
        how = "finished switching" if self.code == 0 else "switching"
        end = "" if self.code == 0 else f" failed (status {self.code})"
        self.services.note(f"{how} to system configuration {self.system}{end}")
        return self.code

    def _pre_switch_checks(self) -> None:
        old, new = (_inhibitors(path) for path in (self.layout.running, self.system))
        differ = [f"{name} : {old.get(name, '')} -> {new.get(name, '')}" for name in sorted(old.keys() | new.keys())]
        if old == new:
            return
        for line in (
            "Checking switch inhibitors...",
            "There are changes to critical components of the system:",
            "",
            *differ,
            "",
            "Switching into this system is not recommended.",
            "You probably want to run 'nixos-rebuild boot' and reboot your system instead.",
            "",
            "Pre-switch check 'switchInhibitors' failed",
        ):
            _say(line)
        raise _StopError(_USAGE, "Pre-switch checks failed")

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
        self._do("stop", changes.stop)
        if (code := faults.take(self.layout, "switch-stopped")) is not None:
            raise _StopError(code, "thread 'main' panicked at src/main.rs: failed printing to stderr: Broken pipe")
        again = _manager_changed(self.layout.running, self.system)
        self._activate()
        if again:
            _say("restarting systemd...")
            self.services.reexec()
        self.services.reset()
        self.services.reload()
        _list("reloading", pending["reload"])
        self._do("reload", pending["reload"])
        _list("restarting", pending["restart"])
        self._do("restart", pending["restart"])
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
        wanted = self.services.wanted()
        known = {unit for unit in units if unit in wanted or "@" in unit}
        _list("starting", known)
        new = wanted - known - active
        self._do("start", known | new)
        if began := new & self.services.active():
            _say(f"the following new units were started: {', '.join(sorted(began))}")

    def _do(self, verb: str, units: Iterable[str]) -> None:
        for unit in self.services.do(verb, sorted(units)):
            _say(f"Failed to {verb} {unit}")
            self.code = _UNITS_FAILED

    def _look(self) -> None:
        if failed := self.services.failed():
            _say(f"warning: the following units failed: {', '.join(sorted(failed))}")
            for words in failed.values():
                _say(words)
            self.code = _UNITS_FAILED


def _manager_changed(old: Path, new: Path) -> bool:
    """Say whether systemd's own configuration differs, so that it must be started anew."""
    texts = [
        path.read_text() if path.exists() else "" for path in (one / "etc/systemd/system.conf" for one in (old, new))
    ]
    return texts[0] != texts[1]


def _inhibitors(system: Path) -> dict[str, str]:
    path = system / "switch-inhibitors"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _foresee(changes: change.Changes) -> None:
    _list("would stop", changes.stop)
    if changes.left:
        _say(f"would NOT stop the following changed units: {', '.join(sorted(changes.left))}")
    _say("would activate the configuration...")
    _list("would reload", changes.reload)
    _list("would restart", changes.restart)
    _list("would start", changes.start)
