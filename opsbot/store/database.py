"""The bot's database: one writer in a thread of its own, so that no disk ever stops the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from opsbot.errors import ConfigError
from opsbot.store.schema import prepare

#: Seconds that a writer waits for another one (the durable engine writes to the same file).
BUSY = 5.0

T = TypeVar("T")


def lock_file(url: str) -> Path:
    """Return the file whose lock says that a bot runs on a database. Raises ConfigError where there can be none."""
    where = make_url(url)
    if where.get_backend_name() != "sqlite" or not where.database:
        raise ConfigError("database: it must be a file of SQLite, like sqlite:////var/lib/opsbot-bot/opsbot.db.")
    return Path(f"{where.database}.lock")


def open_engine(url: str) -> Engine:
    """Open a database and bring its tables up to date.

    A new SQLite file is readable by its owner alone: it holds a token.
    """
    where = make_url(url)
    engine = _open_sqlite(where) if where.get_backend_name() == "sqlite" else create_engine(where)
    prepare(engine)
    return engine


def _open_sqlite(url: URL) -> Engine:
    file = Path(url.database or "")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _record: object) -> None:
    # The driver begins transactions lazily and deferred; ours begin when we say so.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _on_begin(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails as "locked" without waiting.
    reads = connection.get_execution_options().get("opsbot_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


class Database:
    """A database by its SQLAlchemy URL. All writes go one after another; reads beside them."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        self._reading = self._engine.execution_options(opsbot_reads=True)
        self._writer = ThreadPoolExecutor(1, "database-writer")
        self._readers = ThreadPoolExecutor(2, "database-reader")
        self._next = asyncio.Event()

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run CHANGE in one transaction of the only writer; all of it is stored, or nothing."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, _transact, self._engine, change)
        finally:
            written, self._next = self._next, asyncio.Event()
            written.set()

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run QUERY on one state of the database; it must not write."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, _transact, self._reading, query)

    def next_write(self) -> asyncio.Event:
        """Return what is set at the next write. Take it before reading, so that nothing is missed in between."""
        return self._next

    async def close(self) -> None:
        """Finish what is being written and close."""
        # Here and not in a thread: the durable engine has taken the loop's own threads with it.
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()


def _transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)
