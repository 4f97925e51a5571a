"""Copies of the bot's database: made while it runs, and put in its place when it does not."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from opsbot.errors import ConfigError
from opsbot.store.restored import BACKED_UP, RESTORED
from opsbot.store.sqlite import BUSY

#: What SQLite keeps beside a database.
_BESIDE = ("-wal", "-shm", "-journal")
#: Tables by which a database is known as the bot's.
_OURS = frozenset({"meta", "inbox", "outbox", "jobs", "audit"})


class BackupError(ConfigError):
    """The backup cannot be made or used."""


def back_up(database: Path, to: Path, *, now: datetime) -> None:
    """Copy the DATABASE as it is NOW into a file that only its owner may read. The bot may run meanwhile.

    Raises BackupError. A file TO that is a backup already is replaced, as a whole; any other is left alone.
    """
    if not database.is_file():
        raise BackupError(f"There is no database at {database}.")
    if to.exists() and backed_up_at(to) is None:
        raise BackupError(f"{to} is something else than a backup of opsbot's; name another file.")
    with _new_file(to) as copy:
        with _opened(database) as source, _opened(copy) as target:
            source.backup(target)
            target.execute("DELETE FROM meta WHERE key = ?", (RESTORED,))
            _remember(target, BACKED_UP, now)
            target.execute("PRAGMA journal_mode=DELETE")
            _sound(target, copy)
        copy.replace(to)


def put_back(backup: Path, database: Path, *, now: datetime) -> Path | None:
    """Put a BACKUP in the place of the DATABASE; return where that is kept now. No bot may run. Raises BackupError."""
    if backed_up_at(backup) is None:
        raise BackupError(f"{backup} is no backup that `opsbot backup` made.")
    with _new_file(database) as copy:
        with _opened(backup) as source, _opened(copy) as target:
            source.backup(target)
            _sound(target, backup)
            _remember(target, RESTORED, now)
            target.execute("PRAGMA journal_mode=DELETE")
        aside = _kept_aside(database, now)
        copy.replace(database)
    return aside


def backed_up_at(file: Path) -> datetime | None:
    """Return when a backup was made; None of what is none."""
    try:
        # A copy does not change; said so, SQLite leaves nothing beside it, nor beside what turns out to be none.
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = opened.execute("SELECT value FROM meta WHERE key = ?", (BACKED_UP,)).fetchone()
    except sqlite3.Error:
        return None
    return datetime.fromisoformat(found[0]) if found and tables >= _OURS else None


def _kept_aside(database: Path, now: datetime) -> Path | None:
    """Give the database a second name, and take from its first one what would be read together with the new file."""
    if not database.exists():
        return None
    aside = database.with_name(f"{database.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    try:
        with _opened(database) as opened:
            opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            opened.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.DatabaseError:
        pass  # it may be broken, which is a reason to restore
    for suffix in _BESIDE:
        if (beside := database.with_name(database.name + suffix)).exists():
            beside.rename(aside.with_name(aside.name + suffix))
    # A second name and not another one: there is a whole database at the first at every moment.
    os.link(database, aside)
    return aside


@contextmanager
def _new_file(beside: Path) -> Iterator[Path]:
    """Make a file that only its owner may read, next to where it is to go; removed if it did not get there."""
    try:
        handle, name = tempfile.mkstemp(dir=beside.parent, prefix=f".{beside.name}.")
    except OSError as error:
        raise BackupError(f"Nothing can be written in {beside.parent}: {error.strerror}.") from None
    os.close(handle)
    file = Path(name)
    try:
        if os.geteuid() == 0:
            # Root does this for the bot: what it makes belongs to whoever owns what was there.
            owner = (beside if beside.exists() else beside.parent).stat()
            os.chown(file, owner.st_uid, owner.st_gid)
        yield file
        _lasting(beside.parent)
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"The copy could not be made: {error}.") from None
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=BUSY, isolation_level=None)) as opened:
        yield opened


def _remember(opened: sqlite3.Connection, key: str, now: datetime) -> None:
    opened.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, now.isoformat()))


def _sound(opened: sqlite3.Connection, file: Path) -> None:
    found = opened.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise BackupError(f"{file} is damaged: {found}.")


def _lasting(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
