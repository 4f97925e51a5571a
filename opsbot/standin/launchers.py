"""The small scripts that stand for programs: each ends in our own Python with the machine's folder."""

import shlex
import shutil
import sys
from pathlib import Path

import opsbot
from opsbot.standin.errors import NixError
from opsbot.standin.paths import Layout, link, write

#: What a host of ours has on its PATH besides git.
PROGRAMS = ("journalctl", "nix", "nix-env", "nix-store", "nixos-rebuild", "systemctl", "systemd-run")
_PACKAGE = Path(next(iter(opsbot.__path__)))


def package_folder() -> str:
    """Return the folder that our own package is imported from."""
    return str(_PACKAGE.parent)


def _python(module: str, *arguments: str) -> str:
    # Without -P the folder that a program is called in comes first: code of a tree that nobody has approved yet.
    # With -S it starts faster; nothing that is installed is needed.
    words = [sys.executable, "-P", "-S", "-m", module, *arguments]
    return f'#!/bin/sh\nPYTHONPATH={shlex.quote(package_folder())} exec {shlex.join(words)} "$@"\n'


def program(layout: Layout, name: str, *arguments: str) -> str:
    """Return the script that stands for the program NAME."""
    return _python("opsbot.standin", "--root", str(layout.root), name, *arguments)


def opsbot_host() -> str:
    """Return the script of `opsbot-host`, which is the real one."""
    return _python("opsbot.onhost")


def tool(name: str) -> str:
    """Return where a program of the machine that we run on is. Raises NixError if it has none."""
    found = shutil.which(name)
    if found is None:
        raise NixError(f"{name} is missing on this machine")
    return found


def unit_templates() -> list[Path]:
    """Return the unit files that a managed host installs unchanged."""
    folders = (_PACKAGE.parent / "nix/units", _PACKAGE / "_units")
    return sorted(path for folder in folders if folder.is_dir() for path in folder.glob("*.service"))


def install(layout: Layout) -> None:
    """Fill the machine's bin."""
    for name in PROGRAMS:
        write(layout.bin / name, program(layout, name), mode=0o755)
    write(layout.bin / "opsbot-host", opsbot_host(), mode=0o755)
    link(layout.bin / "git", tool("git"))
