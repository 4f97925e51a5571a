"""One bot at a time on a database: two would do every step twice."""

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn, Protocol

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from opsbot.errors import ConfigError, OpsbotError
from opsbot.store.address import Place, connect, is_sqlite

#: Seconds between two looks whether the lead is still ours, and within which each must be answered.
PROBE, PATIENCE = 1.0, 8.0
#: PostgreSQL takes a silent link for dead, and frees its lock, only when whoever had it has long noticed.
_SILENCE = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30s",
}
#: The lock's name, which is a number with PostgreSQL and belongs to the one database.
_NAME = int.from_bytes(b"opsbot")
_TAKE = text("SELECT pg_try_advisory_lock(:name)")
_HELD = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
    " AND (classid::bigint << 32) + objid::bigint = :name)"
)
_SET = text("SELECT set_config(:name, :value, false)")


class LostError(OpsbotError):
    """The database is no longer this bot's alone."""


class Lead(Protocol):
    """The right to be the only bot on a database. Asking for it may take seconds; it wants a thread."""

    def take(self) -> str | None:
        """Try to get it; return the sentence about what stands in the way. Raises ConfigError if waiting is no use."""
        ...

    def check(self) -> None:
        """See that it is still held. Raises LostError."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


class FileLead:
    """A locked file beside the one of SQLite: the kernel frees it when the process ends, however that comes."""

    def __init__(self, where: Place) -> None:
        self._path = Path(f"{where.database}.lock")
        self._held: IO[str] | None = None

    def take(self) -> str | None:
        """Lock the file. A second bot on it was started by mistake: there is nothing to wait for."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            held = self._path.open("a")
        except OSError as error:
            why = f"{self._path} cannot be written: {error.strerror}"
            raise ConfigError(f"{why}; let the bot's user own its folder.") from None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            raise ConfigError(f"Another opsbot runs on this database ({self._path} is locked).") from None
        self._held = held
        return None

    def check(self) -> None:
        """Do nothing: the kernel takes no lock away."""

    def close(self) -> None:
        """Unlock the file."""
        if self._held is not None:
            self._held.close()


class SessionLead:
    """A lock of PostgreSQL's, held by the very session that writes.

    So whoever has lost the lock cannot write any more, and PostgreSQL frees it when the session ends, however that
    comes. ON_LOST is told once, in whatever thread notices it first; a lead that was lost does not come back.
    """

    def __init__(self, where: Place) -> None:
        self.on_lost: Callable[[str], None] | None = None
        self._engine = connect(where, pooled=False)
        self._session: Connection | None = None
        self._lost: LostError | None = None
        self._noticing = threading.Lock()

    def take(self) -> str | None:
        """Try to lock the database; the sentence may also be about why it cannot be reached."""
        if self._lost is not None:
            self._forget()
        try:
            session = self._session = self._session or self._open()
            with session.begin():
                taken = session.scalar(_TAKE, {"name": _NAME})
        except DBAPIError as error:
            self._forget()
            return f"The database cannot be reached: {words(error)}"
        return None if taken else "Another opsbot leads on this database."

    def _open(self) -> Connection:
        session = self._engine.connect()
        with session.begin():
            encoding = session.scalar(text("SHOW server_encoding"))
            for name, value in _SILENCE.items():
                session.execute(_SET, {"name": name, "value": value})
        if encoding != "UTF8":
            session.close()
            raise ConfigError(f"database: its encoding is {encoding}; make one with createdb --encoding=UTF8.")
        return session

    def check(self) -> None:
        """See that this session has the lock; a pooler before PostgreSQL may have given us another one."""
        with self.begin() as session:
            held = session.scalar(_HELD, {"name": _NAME})
        if not held:
            self.lose("another session of PostgreSQL answers; connect to it without a pooler.")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Begin a transaction of the session that holds the lock. Raises LostError."""
        if self._lost is not None:
            raise self._lost
        # SQLAlchemy would connect anew, and so without the lock.
        if self._session is None or self._session.invalidated:
            self.lose("its session has ended.")
        try:
            with self._session.begin():
                yield self._session
        except DBAPIError as error:
            if error.connection_invalidated:
                self.lose(words(error))
            raise

    def lose(self, why: str) -> NoReturn:
        """Give up for ever. Raises LostError."""
        with self._noticing:
            first, lost = self._lost is None, self._lost or LostError(f"The database was lost: {why}")
            self._lost = lost
        if first and self.on_lost is not None:
            self.on_lost(str(lost))
        raise lost

    def _forget(self) -> None:
        session, self._session, self._lost = self._session, None, None
        if session is not None:
            session.invalidate()
            session.close()

    def close(self) -> None:
        """End the session."""
        self._forget()
        self._engine.dispose()


def lead_of(where: Place) -> FileLead | SessionLead:
    """Return the lead of a database, not yet taken."""
    return FileLead(where) if is_sqlite(where) else SessionLead(where)


def words(error: DBAPIError) -> str:
    """Return what the driver says, as one line."""
    line = " ".join(str(error.orig).split())
    return line if line.endswith(".") else f"{line}."
