"""What the host can say about its systems: which commit and pins a store path stands for, and its generations."""

import json
from pathlib import Path
from typing import Any

from opsbot.onhost import files
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.grammar import COMMIT
from opsbot.onhost.ledger import Ledger
from opsbot.onhost.nix import link_number
from opsbot.onhost.run import run
from opsbot.onhost.state import folders, real, staged


def ledger(config: Config) -> Ledger:
    """Return the record of the generations."""
    return Ledger.from_json(files.read_json(folders(config).ledger) or {})


def spoken_commit(config: Config) -> str | None:
    """Ask the *running* system which commit it was built from."""
    try:
        done = run((str(config.running / "sw/bin/nixos-version"), "--json"), within=10)
        revision = json.loads(done.out).get("configurationRevision")
    except (HostError, ValueError, AttributeError):
        return None
    return revision if isinstance(revision, str) and COMMIT.fullmatch(revision) else None


def commit_of_running(config: Config) -> str | None:
    """Return the platform commit that runs, from the ledger or from the running system's own words."""
    entry = ledger(config).by_system(real(config.running))
    return entry.commit if entry and entry.commit else spoken_commit(config)


def pins_of(config: Config, commit: str | None, system: str) -> dict[str, str]:
    """Return each project's commit in a system: from the ledger, from a build, or from the system's own file."""
    entry = ledger(config).by_system(system)
    if entry and entry.pins:
        return dict(entry.pins)
    recorded = files.read_json(folders(config).build("pins") / f"{commit}.json") if commit else None
    declared = files.read_json(Path(real(Path(system) / "etc/opsbot/pins.json")))
    found: dict[str, Any] = recorded or declared or {}
    return {name: pin for name, pin in found.items() if isinstance(pin, str) and name in config.projects}


def current_generation(config: Config) -> int | None:
    """Return the number of the generation that the profile names."""
    return link_number(config.profile.readlink().name, config.profile.name) if config.profile.is_symlink() else None


def generation_link(config: Config, number: int) -> Path:
    """Return the link of a generation; one that is not there is refused."""
    link = config.profile.with_name(f"{config.profile.name}-{number}-link")
    if not link.is_symlink() or not Path(real(link)).is_dir():
        raise HostError("unknown", f"This host has no generation {number}.")
    return link


def generation_links(config: Config) -> dict[int, Path]:
    """Return the links of all generations by their numbers, newest first."""
    links = config.profile.parent.glob(f"{config.profile.name}-*-link")
    numbers = {number: link for link in links if (number := link_number(link.name, config.profile.name)) is not None}
    return dict(sorted(numbers.items(), reverse=True))


def running_generation(config: Config) -> int | None:
    """Return the generation that runs: the one the profile names if it is that system, else the newest that is."""
    running = real(config.running)
    same = [number for number, link in generation_links(config).items() if real(link) == running]
    current = current_generation(config)
    return current if current in same else max(same, default=None)


def generations(config: Config) -> list[dict[str, Any]]:
    """Return all generations, newest first, with what is known of them."""
    book, current, running = ledger(config), current_generation(config), running_generation(config)
    waiting = (staged(config) or {}).get("generation")
    rows = []
    for number, link in generation_links(config).items():
        system = real(link)
        entry = book.entry(number, system)
        commit = entry.commit if entry else (commit_of_running(config) if number == running else None)
        rows.append(
            {
                "generation": number,
                "system": system,
                "date": link.lstat().st_mtime,
                "commit": commit,
                "pins": pins_of(config, commit, system),
                "proved": entry.proved if entry else (book.empty and number == running),
                "current": number == current,
                "running": number == running,
                "staged": number == waiting,
                "job": entry.job if entry else None,
            }
        )
    return rows
