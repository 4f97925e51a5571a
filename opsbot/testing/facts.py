"""What a host in memory tells of itself, and the names that it makes up."""

import hashlib
from collections.abc import Iterable

from opsbot.model import Json

_GIB = 1024.0**3


def commit_of(words: str) -> str:
    """Make a commit id of words, so that tests need not invent them."""
    return hashlib.sha1(words.encode(), usedforsecurity=False).hexdigest()


def system_of(words: str) -> str:
    """Make a system's store path of words."""
    # Nix's hashes have no e.
    return f"/nix/store/{hashlib.sha256(words.encode()).hexdigest()[:32].replace('e', 'g')}-nixos-system-ops-jrz1"


def facts(running: Json, booted: str, units: Iterable[str]) -> Json:
    """Return the facts of a host on which all is well, with the generation that is RUNNING."""
    return {
        "load": [0.1, 0.2, 0.3],
        "cpus": 2,
        "memory": {"total": 4 * _GIB, "available": 3 * _GIB},
        "disks": {path: {"total": 40 * _GIB, "free": 20 * _GIB} for path in ("/", "/nix", "/boot")},
        "failed_units": [],
        "units": {unit: {"active": "active", "sub": "running", "since": 0.0} for unit in units},
        "booted": booted,
        "running": running["system"],
        "profile": {"generation": running["generation"], "system": running["system"]},
        "reboot_needed": False,
        "commit": running["commit"],
        "pins": running["pins"],
        "projects": sorted(running["pins"]),
        "job": None,
    }
