"""The journal of the stand-in machine: written by its init, read by `journalctl`."""

import json
import time
from dataclasses import dataclass
from typing import Any

from opsbot.standin.paths import Layout


@dataclass(frozen=True)
class Journal:
    """A file of JSON lines."""

    layout: Layout

    def write(self, unit: str, identifier: str, message: str, pid: int = 1) -> None:
        """Append one message about UNIT."""
        entry = {"time": time.time(), "unit": unit, "identifier": identifier, "pid": pid, "message": message}
        self.layout.journal.parent.mkdir(parents=True, exist_ok=True)
        with self.layout.journal.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def read(self, unit: str | None, lines: int | None) -> list[dict[str, Any]]:
        """Return the last LINES entries about UNIT, oldest first."""
        try:
            text = self.layout.journal.read_text()
        except FileNotFoundError:
            return []
        entries = [json.loads(line) for line in text.splitlines()]
        found = [entry for entry in entries if unit in (None, entry["unit"])]
        return found if lines is None else found[max(len(found) - lines, 0) :]

    def show(self, entries: list[dict[str, Any]], output: str) -> list[str]:
        """Put entries into the form that `journalctl --output=` names: `cat`, `json`, or else `short`."""
        match output:
            case "cat":
                return [entry["message"] for entry in entries]
            case "json":
                return [json.dumps(_fields(entry)) for entry in entries]
            case _:
                host = self.layout.settings["host"]
                return [
                    f"{time.strftime('%b %d %H:%M:%S', time.localtime(entry['time']))} {host} "
                    f"{entry['identifier']}[{entry['pid']}]: {entry['message']}"
                    for entry in entries
                ]


def _fields(entry: dict[str, Any]) -> dict[str, str]:
    return {
        "__REALTIME_TIMESTAMP": str(int(entry["time"] * 1e6)),
        "_SYSTEMD_UNIT": entry["unit"],
        "SYSLOG_IDENTIFIER": entry["identifier"],
        "_PID": str(entry["pid"]),
        "MESSAGE": entry["message"],
    }
