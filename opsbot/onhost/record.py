"""Root's own file about one activation, and who may write the next line in it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsbot.onhost import files
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.ledger import Entry
from opsbot.onhost.state import ENDED, boot_id, folders
from opsbot.onhost.systems import ledger

_POLL = 0.1
#: Seconds that a stranger may hold a job's lock before this is an error; a commit takes less.
_PATIENCE = 900.0


class OvertakenError(Exception):
    """Another process goes back, or has ended the job; this one has nothing more to do."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The state file of one activation; every change is made under its lock."""

    config: Config
    job: str

    @property
    def folder(self) -> Path:
        """Root's folder for the job."""
        return folders(self.config).job(self.job)

    @property
    def log(self) -> Path:
        """What the job's commands said."""
        return self.folder / "log"

    def read(self) -> dict[str, Any] | None:
        """Return the state as it was written, None when nothing was."""
        return files.read_json(self.folder / "state.json")

    def must_read(self) -> dict[str, Any]:
        """Return the state of an activation that was begun."""
        state = self.read()
        if state is None:
            raise HostError("unknown", f"Nothing was activated for job {self.job}.")
        return state

    def say(self, line: str) -> None:
        """Add a line of our own to the log, if there is room for it."""
        with suppress(OSError), self.log.open("a", encoding="utf-8") as file:
            file.write(f"opsbot: {line}\n")

    def create(self, status: str, **fields: Any) -> None:
        """Write the first state of an activation."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {"boot_id": boot_id(self.config), "at": time.time(), **fields, "status": status}
        files.write_json(self.folder / "state.json", state)

    def write(self, status: str, **fields: Any) -> dict[str, Any]:
        """Add to the state and move it on; the caller holds the lock."""
        state = {**self.must_read(), **fields, "status": status, "at": time.time()}
        files.write_json(self.folder / "state.json", state)
        return state

    def note(self, status: str, **fields: Any) -> dict[str, Any]:
        """Write as `write` does, but go on where that cannot be: on a full disk going back comes before telling it."""
        try:
            return self.write(status, **fields)
        except OSError:
            return {**self.must_read(), **fields, "status": status}

    @contextmanager
    def held(self, *, patience: float = _PATIENCE) -> Iterator[None]:
        """Hold the job's lock, which commit and going back share."""
        with files.locked(self.folder / "state.lock", patience=patience) as mine:
            if not mine:
                raise HostError("busy", f"Another process works on job {self.job}.")
            yield

    @contextmanager
    def mine(self) -> Iterator[dict[str, Any]]:
        """Hold the job's lock as its activation; OvertakenError as soon as somebody else goes back or has ended it."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self._check()
            with files.locked(self.folder / "state.lock", patience=0) as mine:
                if mine:
                    self._check()
                    yield self.must_read()
                    return
            time.sleep(_POLL)
        raise OvertakenError

    def _check(self) -> None:
        state = self.read()
        if state is not None and state["status"] in ENDED | {"reverting"}:
            raise OvertakenError

    def move(self, status: str, **fields: Any) -> dict[str, Any]:
        """Move the activation on, unless it was overtaken."""
        with self.mine():
            return self.write(status, **fields)


def enter(config: Config, entry: Entry) -> None:
    """Add an entry to the ledger; the caller holds the host's lock."""
    files.write_json(folders(config).ledger, ledger(config).with_entry(entry).as_json())


@contextmanager
def host_lock(config: Config, *, patience: float) -> Iterator[bool]:
    """Hold this host, waiting PATIENCE seconds for it; gives False when somebody else kept it."""
    path = folders(config).host_lock
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(path, patience=patience) as mine:
        yield mine
