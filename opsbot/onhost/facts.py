"""The host as it is now."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from opsbot.onhost import PROTOCOL, VERSION, git, systemd
from opsbot.onhost.config import Config, Remote
from opsbot.onhost.errors import HostError
from opsbot.onhost.plan import disks
from opsbot.onhost.run import run
from opsbot.onhost.state import boot_id, holder, real, staged
from opsbot.onhost.systems import commit_of_running, current_generation, pins_of
from opsbot.onhost.trees import kernel_changed

_ANSWER = 5.0


def memory(text: str) -> dict[str, int]:
    """Read total and available bytes from what /proc/meminfo says."""
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    names = {"total": "MemTotal", "available": "MemAvailable"}
    return {name: int(rows[key].split()[0]) * 1024 for name, key in names.items() if key in rows}


def facts(config: Config, names: list[str]) -> dict[str, Any]:
    """Return everything that `!status` shows of a host; NAMES are the units to look at."""
    running, booted = real(config.running), real(config.booted)
    commit = commit_of_running(config)
    return {
        "version": VERSION,
        "protocol": PROTOCOL,
        "host": config.host,
        "time": time.time(),
        "boot_id": boot_id(config),
        "uptime": time.clock_gettime(time.CLOCK_BOOTTIME),
        "load": list(os.getloadavg()),
        "cpus": os.cpu_count() or 1,
        "memory": memory(Path("/proc/meminfo").read_text(encoding="ascii")),
        "disks": disks(),
        "failed_units": systemd.failed(),
        "units": systemd.show(names),
        "booted": booted,
        "running": running,
        "profile": {"generation": current_generation(config), "system": real(config.profile)},
        "staged": staged(config),
        "reboot_needed": Path(booted).is_dir() and kernel_changed(Path(booted), Path(running)),
        "commit": commit,
        "pins": pins_of(config, commit, running),
        "projects": sorted(config.projects),
        "job": holder(config),
    }


def _head(remote: Remote) -> dict[str, str]:
    ref = f"refs/heads/{remote.branch}"
    environment = git.environment(git.credential("fetch-key"))
    try:
        done = run(git.ls_remote(remote.url, ref), within=_ANSWER, env=environment)
    except HostError as error:
        return {"error": error.message}
    if done.code != 0:
        return {"error": f"The repository did not answer: {done.last_line}"}
    commit = git.parse_ls_remote(done.out, ref)
    return {"commit": commit} if commit else {"error": f"The repository has no branch {remote.branch}."}


def newest(config: Config) -> dict[str, Any]:
    """Return the newest commit of the platform's branch and of each project's, or why it could not be asked."""
    remotes = {"": config.platform, **{name: project.remote for name, project in config.projects.items()}}
    with ThreadPoolExecutor(max_workers=8) as pool:
        heads = dict(zip(remotes, pool.map(_head, remotes.values()), strict=True))
    return {"platform": heads.pop(""), "projects": heads}
