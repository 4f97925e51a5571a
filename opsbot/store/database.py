"""The bot's database: one writer in a thread of its own, so that no disk and no network ever stops the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from opsbot.errors import ConfigError, OpsbotError
from opsbot.masks import Masks
from opsbot.store.address import Place, connect, is_sqlite, place
from opsbot.store.lead import PATIENCE, PROBE, FileLead, SessionLead, words
from opsbot.store.schema import prepare
from opsbot.store.texts import MASKS

T = TypeVar("T")

#: What a database raises that was opened and cannot be read or written.
Failed = DBAPIError

#: How one state of the database is read, on each kind: SQLite's reader in WAL sees one by itself.
_READING: dict[bool, dict[str, Any]] = {
    True: {"opsbot_reads": True},
    False: {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


class Database:
    """A database by its SQLAlchemy URL. All writes go one after another; reads beside them.

    What people said and programs answered is stored without the secrets that MASKS knows. With the LEAD of PostgreSQL,
    which must have been taken, what is written is stored only while that is held. Raises ConfigError when it cannot be
    opened; once it is, what goes wrong is a `Failed`.
    """

    def __init__(
        self, url: str | Place, *, lead: FileLead | SessionLead | None = None, masks: Masks | None = None
    ) -> None:
        where = place(url) if isinstance(url, str) else url
        self._engine = connect(where)
        self._reading = self._engine.execution_options(**_READING[is_sqlite(where)])
        self._masks = masks or Masks()
        self._lead = lead if isinstance(lead, SessionLead) else None
        self._writer = ThreadPoolExecutor(1, "database-writer")
        self._readers = ThreadPoolExecutor(3, "database-reader")
        self._next = asyncio.Event()
        try:
            with self._begin() as connection:
                prepare(connection)
        except DBAPIError as error:
            raise ConfigError(f"The database cannot be used: {words(error)}") from None

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._engine.begin() if self._lead is None else self._lead.begin()

    @property
    def pool(self) -> Any:
        """What the durable engine connects through; None for SQLite, where it wants transactions of another kind."""
        return None if is_sqlite(self._engine.url) else self._engine

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run CHANGE in one transaction of the only writer; all of it is stored, or nothing."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, change)
        finally:
            written, self._next = self._next, asyncio.Event()
            written.set()

    def _write(self, change: Callable[[Connection], T]) -> T:
        with self._begin() as connection:
            connection.execution_options(**{MASKS: self._masks})
            return change(connection)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run QUERY on one state of the database; it must not write."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            with self._reading.begin() as connection:
                return query(connection)
        except OperationalError as error:
            if self._lead is not None:
                self._lead.lose(words(error))
            raise

    def next_write(self) -> asyncio.Event:
        """Return what is set at the next write. Take it before reading, so that nothing is missed in between."""
        return self._next

    async def keep(self) -> None:
        """Look after the lead, for ever. Raises LostError when it is lost, or when the database does not answer."""
        if self._lead is None:
            return
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    await asyncio.get_running_loop().run_in_executor(self._writer, self._lead.check)
            except TimeoutError:
                self._lead.lose(f"it did not answer within {PATIENCE:g} s.")
            await asyncio.sleep(PROBE)

    async def close(self) -> None:
        """Finish what is being written and close."""
        # Here and not in a thread: the durable engine has taken the loop's own threads with it.
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()


def first_of(problem: BaseException) -> OpsbotError:
    """Return the first error of a group of groups; for a database that failed, the sentence that says so."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    if isinstance(problem, Failed):
        todo = "see that its disk has room and that the bot's user may write there; the next start goes on from here."
        return ConfigError(f"The database failed: {words(problem).rstrip('.')}; {todo}")
    assert isinstance(problem, OpsbotError)  # noqa: S101 - there are no others in the group
    return problem
