"""switch-to-configuration, run as nixos-rebuild runs it, and its exit codes."""

import os
import re
import time
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from opsbot.onhost import nix
from opsbot.onhost.run import TIMED_OUT, run

SWITCHING = 600.0
#: Codes after which one more run resumes what was left.
RESUMED = (2, 101)
#: Active, but a unit somewhere has failed.
SOME_FAILED = 4
_LOCKED = 11
#: Nothing was activated, because the new system's init differs.
_NEEDS_REBOOT = 100
_CHECKS_FAILED = "Pre-switch checks failed"
_CHECK = re.compile(r"Pre-switch check '([^']*)' failed")
#: What NixOS's switch inhibitors say before they name what has changed.
_CRITICAL = "There are changes to critical components of the system:"
_WORDS = 200
_PATIENCE = 120.0
#: Bytes that a switch may have to say.
_ROOM = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Switched:
    """How switch-to-configuration ended."""

    code: int
    #: Somebody else holds its lock, so it did nothing.
    busy: bool = False
    #: Why it would not begin, so that nothing was touched; and whether a reboot is the way.
    refusal: str | None = None
    reboot: bool = False

    @property
    def active(self) -> bool:
        """Whether the system was put in place; failed units are another question."""
        return self.code in (0, SOME_FAILED)

    @property
    def end(self) -> str:
        """How it ended, as the end of a sentence."""
        if self.code == TIMED_OUT:
            return f"took more than {SWITCHING:.0f} s and was stopped"
        return f"ended with {self.code}" if self.code >= 0 else f"was killed by signal {-self.code}"


def switch(system: str, action: str, log: Path, *, again: bool = False) -> Switched:
    """Run one action of a system's switch-to-configuration; AGAIN runs it once more where that resumes it."""
    kept = log if _has_room(log) else None
    offset = log.stat().st_size if log.exists() else 0
    environment = {"NIXOS_INSTALL_BOOTLOADER": "0"}
    archive = "/run/current-system/sw/lib/locale/locale-archive"
    environment["LOCALE_ARCHIVE"] = os.environ.get("LOCALE_ARCHIVE", archive)
    done = run((f"{system}/bin/switch-to-configuration", action), within=SWITCHING, env=environment, log=kept)
    said: list[str] = []
    if done.code in (1, _LOCKED):
        said = (
            [nix.clean(line) for line in done.err.splitlines()] if kept is None else list(nix.short_lines(log, offset))
        )
    # The exit code alone says errno 11, which other failures have too.
    busy = done.code == _LOCKED and any("Could not acquire lock" in line for line in said)
    if again and done.code in RESUMED:
        # The first run has touched the host, so a lock that the second one meets does not mean that nothing was done.
        return replace(switch(system, action, log), busy=False)
    return replace(refused(done.code, said), busy=busy)


def _has_room(log: Path) -> bool:
    """Say whether the words of a switch fit on the log's disk: one that cannot write them dies half-way."""
    try:
        space = os.statvfs(log.parent)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize >= _ROOM


def refused(code: int, said: list[str]) -> Switched:
    """Tell what would not begin: an init that cannot be replaced, or a check that comes before anything else."""
    if code == _NEEDS_REBOOT:
        why = "Its init cannot take over from the one that runs: that takes a reboot."
        return Switched(code=code, refusal=why, reboot=True)
    if _CHECKS_FAILED not in said:
        return Switched(code=code)
    if _CRITICAL in said:
        named = takewhile(lambda line: not line.startswith("Switching into"), said[said.index(_CRITICAL) + 1 :])
        parts = "; ".join(line for line in named if line)[:_WORDS]
        why = f"NixOS does not switch to it while the host runs ({parts}): that takes a reboot."
        return Switched(code=code, refusal=why, reboot=True)
    checks = ", ".join(found[1] for line in said if (found := _CHECK.fullmatch(line)))
    return Switched(code=code, refusal=f"A check that the new system makes before it is switched to failed: {checks}.")


def switch_patiently(system: str, action: str, log: Path) -> Switched:
    """Switch, waiting two minutes for somebody who is switching by hand, and once more after any failure."""
    deadline = time.monotonic() + _PATIENCE
    while (done := switch(system, action, log)).busy and time.monotonic() < deadline:
        time.sleep(1)
    return done if done.active or done.busy else switch(system, action, log)
