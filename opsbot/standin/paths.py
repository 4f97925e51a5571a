"""Where things are in the folder that plays the host."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Layout:
    """The paths of a host whose file system begins at ROOT."""

    root: Path

    @property
    def bin(self) -> Path:
        """The programs that a host has."""
        return self.root / "bin"

    @property
    def store(self) -> Path:
        """The Nix store."""
        return self.root / "nix/store"

    @property
    def database(self) -> Path:
        """What the store knows of its paths."""
        return self.root / "nix/var/nix/db"

    @property
    def profile(self) -> Path:
        """The system profile."""
        return self.root / "nix/var/nix/profiles/system"

    @property
    def running(self) -> Path:
        """The link to the system that runs."""
        return self.root / "run/current-system"

    @property
    def booted(self) -> Path:
        """The link to the system that was booted."""
        return self.root / "run/booted-system"

    @property
    def socket(self) -> Path:
        """The socket of the service manager."""
        return self.root / "run/systemd/private"

    @property
    def journal(self) -> Path:
        """The journal, one JSON object a line."""
        return self.root / "var/log/journal/system.jsonl"

    @property
    def secrets(self) -> Path:
        """The secrets of its services, a folder for each."""
        return self.root / "run/secrets"

    @property
    def boot_id(self) -> Path:
        """The id of this boot."""
        return self.root / "run/boot_id"

    @property
    def boot_default(self) -> Path:
        """What the boot loader starts: a link to a system."""
        return self.root / "boot/loader/default"

    @property
    def switch_lock(self) -> Path:
        """The lock of switch-to-configuration."""
        return self.root / "run/nixos/switch-to-configuration.lock"

    @property
    def units(self) -> Path:
        """The unit files of the running system."""
        return self.root / "etc/systemd/system"

    @property
    def host_json(self) -> Path:
        """The configuration of `opsbot-host`."""
        return self.root / "etc/opsbot/host.json"

    @property
    def ssh(self) -> Path:
        """The host key and the one authorised client key."""
        return self.root / "etc/ssh"

    @property
    def faults(self) -> Path:
        """Programs that are to fail, put here by a test."""
        return self.root / "etc/standin/faults"

    @property
    def settings(self) -> dict[str, Any]:
        """What the machine was made with: `host`, `port`, `pace` (seconds between two lines of a build log).

        Later there may be `homeserver`, its address for the services.
        """
        found: dict[str, Any] = json.loads((self.root / "etc/standin/settings.json").read_text())
        return found

    @property
    def search_path(self) -> str:
        """The PATH of units and of SSH sessions."""
        return os.pathsep.join([str(self.bin), "/usr/bin", "/bin"])

    def within(self, text: str) -> str:
        """Put the absolute paths of a real host that TEXT mentions below the root."""
        root = re.escape(str(self.root))
        return re.sub(rf"(?<![\w.-])(?!{root}/)(?=/(?:run|etc|var|nix|boot)/)", str(self.root), text)


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file by rename, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def link(path: Path, target: Path | str) -> None:
    """Make PATH a symbolic link to TARGET, in one step also when it exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)
