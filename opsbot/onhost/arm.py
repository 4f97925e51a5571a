"""The net below an activation: what is needed to go back is kept, resolved, and set on a timer."""

import os
import re
import shlex
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from opsbot.onhost import files, nix, systemd
from opsbot.onhost.errors import HostError
from opsbot.onhost.run import must, run

_PROGRAMS = ("systemctl", "systemd-run", "journalctl", "nix-env", "nix-store")
_STORE_PATH = re.compile(r"(/.*?/[0-9a-df-np-sv-z]{32}-[^/]+)(/.*)?")
_HELPER = "opsbot-host"
#: The script in a job's folder by which opsbot-revert@JOB runs the helper that activated.
GO_BACK = "go-back"
#: Seconds that the timer leaves to the process that waits, which goes back by itself first.
MARGIN = 2


def resolved(program: Path) -> Path:
    """Resolve a program's folder and keep its name: one program may stand behind many names and ask for its own."""
    return Path(os.path.realpath(program.parent)) / program.name


def resolved_path() -> str:
    """Return PATH with the folders of all programs that going back needs, none of them a link that a switch moves."""
    folders = [str(resolved(Path(found)).parent) for name in _PROGRAMS if (found := shutil.which(name))]
    rest = [os.path.realpath(folder) for folder in os.environ.get("PATH", "").split(":") if folder]
    return ":".join(dict.fromkeys([*folders, *rest]))


@dataclass(frozen=True, kw_only=True)
class Helper:
    """This very helper, in a form that the next system cannot take away."""

    command: tuple[str, ...]
    environment: dict[str, str]

    @property
    def store_path(self) -> str | None:
        """The store path to be kept, when the helper is in the store."""
        found = _STORE_PATH.fullmatch(self.command[0])
        return found[1] if found and self.command[0].endswith(_HELPER) else None


def this_helper() -> Helper:
    """Return how to run this helper again after a switch."""
    environment = {"PATH": resolved_path()}
    for name in ("PYTHONPATH", "LOCALE_ARCHIVE", "NIX_CONF_DIR", "NIX_STORE_DIR", "NIX_STATE_DIR", "NIX_LOG_DIR"):
        if name in os.environ:
            environment[name] = os.environ[name]
    started = Path(sys.argv[0])
    if started.name == _HELPER:
        found = started if started.is_absolute() else Path(shutil.which(_HELPER) or started.absolute())
        return Helper(command=(str(resolved(found)),), environment=environment)
    # From a checkout the module runs from the folder that holds the package.
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    return Helper(command=(sys.executable, "-m", "opsbot.onhost"), environment=environment)


def keep(folder: Path, old: str, new: str, helper: Helper) -> None:
    """Keep both systems and the helper, and write down how to go back with it, for as long as the job is open."""
    for name, path in (("old", old), ("new", new), ("helper", helper.store_path)):
        if path:
            (folder / name).unlink(missing_ok=True)
            must(run(nix.add_root(path, folder / name), within=60))
    exports = [shlex.join(["export", f"{name}={value}"]) for name, value in helper.environment.items()]
    command = shlex.join(["exec", *_command(folder, helper)])
    files.write_text(folder / GO_BACK, "\n".join(["#!/bin/sh", *exports, command, ""]))


def _command(folder: Path, helper: Helper) -> tuple[str, ...]:
    return (*helper.command, "--config", str(folder / "config.json"), "unit", "revert", folder.name)


def let_go(folder: Path) -> None:
    """Take away the roots of a job that has ended; the generations of the profile keep what is worth keeping."""
    for name in ("old", "new", "helper", GO_BACK):
        (folder / name).unlink(missing_ok=True)


def timer_name(job: str, number: int) -> str:
    """Return the name of a job's dead man; it has no `@`, because a switch may touch instances of templates."""
    return f"opsbot-deadman-{job}-{number}"


def arm(folder: Path, job: str, number: int, seconds: int, helper: Helper) -> None:
    """Set the dead man: after so many SECONDS this helper goes back, whoever is still alive by then."""
    log, command = folder / "log", _command(folder, helper)
    argv = systemd.deadman(timer_name(job, number), seconds, log, helper.environment, command)
    must(run(argv, within=30))


def disarm(job: str, numbers: list[int]) -> None:
    """Stop a job's timers; one that is gone is none to stop, and one that stays finds the job ended."""
    for number in numbers:
        with suppress(HostError):
            run(systemd.stop(f"{timer_name(job, number)}.timer"), within=30)
