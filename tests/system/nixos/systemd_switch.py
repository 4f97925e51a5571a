"""`switch-to-configuration` on a Debian whose systemd is the real one: our stand-in, told to speak to systemctl."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from opsbot.standin import switch
from opsbot.standin.paths import Layout
from opsbot.standin.services import has_failed

_SHOWN = "Id,ActiveState,SubState,ExecMainStatus"
_ALIVE = {"active", "activating", "reloading"}


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)


def _all() -> list[dict[str, str]]:
    blocks = _systemctl("show", f"--property={_SHOWN}", "*").stdout.split("\n\n")
    shown = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return [{"ExecMainStatus": "0", **one} for one in shown if "Id" in one]


class Systemd:
    """The real service manager."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def active(self) -> set[str]:
        """Return the units that are active or on their way."""
        return {one["Id"] for one in _all() if one["ActiveState"] in _ALIVE}

    def do(self, verb: str, units: Sequence[str]) -> list[str]:
        """Stop, start, restart or reload units together; return those that failed."""
        done = _systemctl(verb, "--", *units) if units else None
        if done is None or done.returncode == 0:
            return []
        return [unit for unit in units if re.search(rf"\b{re.escape(unit)}\b", done.stderr)]

    def reexec(self) -> None:
        """Let systemd itself begin anew."""
        _systemctl("daemon-reexec")

    def reset(self) -> None:
        """Forget that units have failed."""
        _systemctl("reset-failed")

    def reload(self) -> None:
        """Read the unit files."""
        _systemctl("daemon-reload")

    def wanted(self) -> set[str]:
        """Return the units that the running system wants."""
        return {path.name for path in (self._layout.units / "multi-user.target.wants").iterdir()}

    def failed(self) -> dict[str, str]:
        """Return the units that have failed, each with the words of its status."""
        names = [one["Id"] for one in _all() if has_failed(one)]
        return {name: _systemctl("status", "--no-pager", "--full", name).stdout for name in names}

    def note(self, line: str) -> None:
        """Write a line about the switch into the journal."""
        subprocess.run(["systemd-cat", "--identifier=nixos", "echo", line], check=False)


if __name__ == "__main__":
    layout = Layout(Path("/"))
    sys.exit(switch.main(layout, sys.argv[1:], Systemd(layout)))
