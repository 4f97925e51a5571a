"""What speaks against a change to this host, looked up before anything is built for it."""

import os
import time
from collections.abc import Iterator
from typing import Any

from opsbot.onhost import PROTOCOL, VERSION, files, systemd, units
from opsbot.onhost.config import Config, Project
from opsbot.onhost.state import holder

_MIB = 1024 * 1024
#: Units that switch a host, or are about to, without opsbot.
_SWITCHING = ("nixos-rebuild-switch-to-configuration.service", "nixos-upgrade.service")
#: One free inode in so many is too few: a store is full of small files.
_INODES = 100

#: A word for the bot and a sentence for the person, with what to do about it.
Problem = dict[str, str]


def preflight(config: Config, name: str | None) -> dict[str, Any]:
    """Return what speaks against deploying a project by its NAME, or, without one, against going to a generation."""
    project = None if name in (None, "platform") else config.project(str(name))
    problems = [*_space(config), *_switching(config), *_failed(config, project)]
    return {
        "version": VERSION,
        "protocol": PROTOCOL,
        "host": config.host,
        "time": time.time(),
        "clock": config.clock,
        "problems": problems,
    }


def _space(config: Config) -> Iterator[Problem]:
    """Compare the free space of each folder with what the configuration wants to be free."""
    for folder, wanted in sorted(config.free.items()):
        if not wanted or not os.path.isdir(folder):  # noqa: PTH112 - a Path would raise where one may not look
            continue
        space = os.statvfs(folder)
        free = space.f_bavail * space.f_frsize // _MIB
        where = f"`{folder}` on `{config.host}`"
        if free < wanted:
            message = f"{where} has {free} MiB free, and a deploy wants {wanted} MiB there: {_remedy(folder)}."
            yield {"code": "space", "message": message}
        elif space.f_favail * _INODES < space.f_files:
            message = f"{where} has only {space.f_favail} inodes free, too few to build: {_remedy(folder)}."
            yield {"code": "space", "message": message}


def _remedy(folder: str) -> str:
    if "boot" in folder:
        return "delete old generations there (`nix-collect-garbage --delete-older-than 30d`), then `nixos-rebuild boot`"
    return "make room there, as with `nix-collect-garbage --delete-older-than 30d`"


def _switching(config: Config) -> Iterator[Problem]:
    """Say whether somebody else switches this host; a job of opsbot's own has its turn, and is waited for."""
    active = [name for name, unit in systemd.show(_SWITCHING).items() if unit["active"] in systemd.RUNNING]
    if holder(config) is None and (active or files.is_locked(config.switch_lock)):
        who = f"`{active[0]}`" if active else "Somebody at the console"
        yield {
            "code": "switching",
            "message": f"{who} is switching `{config.host}` to another system: wait until that is done and ask again.",
        }


def _failed(config: Config, project: Project | None) -> Iterator[Problem]:
    """Name the failed units that a project cannot do without; its own may be what the deploy is to repair."""
    if project is None or not (project.units or project.needs):
        return
    system = config.running.resolve()
    known, links = units.read_units(system), units.read_links(system, "requires")
    needed = units.required(known, links, project.units) | set(project.needs)
    for name in sorted(needed.intersection(systemd.failed()) - set(project.units)):
        yield {
            "code": "failed-unit",
            "message": f"`{name}` has failed on `{config.host}`, and {project.name} cannot be well without it: "
            f"repair it first (`logs {name}` tells why it failed, `restart {name}` may be enough).",
        }
