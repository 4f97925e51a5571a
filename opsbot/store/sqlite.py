"""What SQLite must be told: one file, which its owner alone reads, in WAL, and one writer that waits for its turn."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from opsbot.errors import ConfigError

#: Seconds that a writer waits for another one (the durable engine writes to the same file).
BUSY = 5.0


def connect(url: URL) -> Engine:
    """Return what connects to a file of SQLite; a new one is readable by its owner alone: it holds a token.

    Raises ConfigError when there can be no such file.
    """
    file = Path(url.database or "")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}; let the bot's user own its folder.") from None
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
