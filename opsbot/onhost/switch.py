"""switch-to-configuration, run as nixos-rebuild runs it, and its exit codes."""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from opsbot.onhost import nix
from opsbot.onhost.run import run

SWITCHING = 600.0
#: Codes after which one more run resumes what was left.
RESUMED = (2, 101)
#: Active, but a unit somewhere has failed.
SOME_FAILED = 4
_LOCKED = 11
_PATIENCE = 120.0


@dataclass(frozen=True, kw_only=True)
class Switched:
    """How switch-to-configuration ended."""

    code: int
    #: Somebody else holds its lock, so it did nothing.
    busy: bool = False

    @property
    def active(self) -> bool:
        """Whether the system was put in place; failed units are another question."""
        return self.code in (0, SOME_FAILED)


def switch(system: str, action: str, log: Path, *, again: bool = False) -> Switched:
    """Run one action of a system's switch-to-configuration; AGAIN runs it once more where that resumes it."""
    offset = log.stat().st_size if log.exists() else 0
    environment = {"NIXOS_INSTALL_BOOTLOADER": "0"}
    archive = "/run/current-system/sw/lib/locale/locale-archive"
    environment["LOCALE_ARCHIVE"] = os.environ.get("LOCALE_ARCHIVE", archive)
    done = run((f"{system}/bin/switch-to-configuration", action), within=SWITCHING, env=environment, log=log)
    # The exit code alone says errno 11, which other failures have too.
    busy = done.code == _LOCKED and any("Could not acquire lock" in line for line in nix.short_lines(log, offset))
    if again and done.code in RESUMED:
        # The first run has touched the host, so a lock that the second one meets does not mean that nothing was done.
        return replace(switch(system, action, log), busy=False)
    return Switched(code=done.code, busy=busy)


def switch_patiently(system: str, action: str, log: Path) -> Switched:
    """Switch, waiting two minutes for somebody who is switching by hand, and once more after any failure."""
    deadline = time.monotonic() + _PATIENCE
    while (done := switch(system, action, log)).busy and time.monotonic() < deadline:
        time.sleep(1)
    return done if done.active or done.busy else switch(system, action, log)
