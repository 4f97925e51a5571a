"""The service manager as a switch sees it: the one protocol, and the stand-in machine's own."""

import os
from collections.abc import Sequence
from typing import Protocol

from opsbot.standin.control import ask
from opsbot.standin.errors import ControlError
from opsbot.standin.journal import Journal
from opsbot.standin.paths import Layout
from opsbot.standin.systemd import status


def has_failed(shown: dict[str, str]) -> bool:
    """Say whether a switch counts a unit, as `systemctl show` shows it, as failed."""
    again = shown["SubState"] == "auto-restart" and shown["ExecMainStatus"] != "0"
    return shown["ActiveState"] == "failed" or again


class Services(Protocol):
    """What a switch asks of a service manager."""

    def active(self) -> set[str]:
        """Return the units that are active or on their way."""

    def do(self, verb: str, units: Sequence[str]) -> list[str]:
        """Stop, start, restart or reload units; return those that failed."""

    def reexec(self) -> None:
        """Let the manager itself begin anew."""

    def reset(self) -> None:
        """Forget that units have failed."""

    def reload(self) -> None:
        """Read the unit files."""

    def wanted(self) -> set[str]:
        """Return the units that the running system wants."""

    def failed(self) -> dict[str, str]:
        """Return the units that have failed, each with the words of its status."""

    def note(self, line: str) -> None:
        """Write a line about the switch into the journal."""


class StandinServices:
    """The service manager of the stand-in machine; it reads its unit files whenever it needs them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def active(self) -> set[str]:
        """Return the units that are active or on their way."""
        return {one["Id"] for one in ask(self._layout, "all") if one["ActiveState"] in {"active", "activating"}}

    def do(self, verb: str, units: Sequence[str]) -> list[str]:
        """Stop, start or restart units, one after the other; return those that failed."""
        return [unit for unit in units if verb != "reload" and not self._well(verb, unit)]

    def _well(self, verb: str, unit: str) -> bool:
        try:
            ask(self._layout, verb, unit=unit)
        except ControlError:
            return False
        return True

    def reexec(self) -> None:
        """Do nothing: there is nothing of it to begin anew."""

    def reset(self) -> None:
        """Forget that units have failed."""
        ask(self._layout, "reset")

    def reload(self) -> None:
        """Do nothing: it always reads them."""

    def wanted(self) -> set[str]:
        """Return the units that the running system wants."""
        return set(ask(self._layout, "wanted"))

    def failed(self) -> dict[str, str]:
        """Return the units that have failed, each with the words of its status."""
        failed = [one for one in ask(self._layout, "all") if has_failed(one)]
        return {one["Id"]: "\n".join(status(self._layout, one)) for one in failed}

    def note(self, line: str) -> None:
        """Write a line about the switch into the journal."""
        Journal(self._layout).write("", "nixos", line, os.getpid())
