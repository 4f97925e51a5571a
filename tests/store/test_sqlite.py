import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

from opsbot.errors import ConfigError
from opsbot.store.database import Database
from opsbot.store.outbox import Outbox
from tests.store.test_outbox import bodies, post


async def test_the_database_keeps_what_it_says(tmp_path: Path) -> None:
    """The file is in WAL mode for whoever opens it, and readable by the bot alone."""
    file = tmp_path / "state" / "opsbot.db"
    await Database(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:///{}/other.db", "The database cannot be used: file is not a database."),
        ("sqlite:////proc/opsbot.db", "/proc/opsbot.db cannot be written: "),
        ("postgresql://opsbot@127.0.0.1:1/opsbot", "The database cannot be used: connection failed: "),
    ],
)
def test_what_is_no_database_is_told_in_a_sentence(tmp_path: Path, url: str, why: str) -> None:
    """A file of something else, one that cannot be made, and a PostgreSQL that is away are not traces for a person."""
    (tmp_path / "other.db").write_text("something else " * 1000)
    with pytest.raises(ConfigError, match=re.escape(why)):
        Database(url.format(tmp_path))


async def test_an_older_database_gets_what_is_new(tmp_path: Path) -> None:
    """A table that an older version made gets the columns that it did not know, and keeps its rows."""
    file = tmp_path / "opsbot.db"
    await Database(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as older:
        older.execute("INSERT INTO meta VALUES ('device', 'A')")
        older.execute("ALTER TABLE inbox DROP COLUMN html")
    older.close()
    await Database(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as now:
        columns = [row[1] for row in now.execute("PRAGMA table_info(inbox)")]
        rows = now.execute("SELECT value FROM meta").fetchall()
    now.close()
    assert "html" in columns
    assert rows == [("A",)]


async def test_a_database_of_a_newer_version_still_works(tmp_path: Path) -> None:
    """A version opens what the next one wrote: tables and columns that it does not know do not disturb it."""
    file = tmp_path / "opsbot.db"
    await Database(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as newer:
        newer.execute("ALTER TABLE outbox ADD COLUMN colour VARCHAR")
        newer.execute("CREATE TABLE approvals (id INTEGER PRIMARY KEY)")
    newer.close()
    opened = Database(f"sqlite:///{file}")
    outbox = Outbox(opened)
    await outbox.post(post("a"))
    assert await bodies(outbox) == ["a"]
    await opened.close()


async def test_somebody_else_may_write_to_the_same_file(tmp_path: Path) -> None:
    """The durable engine writes to the same file: our writer waits for it instead of failing."""
    database = Database(f"sqlite:///{tmp_path}/opsbot.db")
    outbox = Outbox(database)
    other = sqlite3.connect(tmp_path / "opsbot.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(outbox.post(post("a")))
    await asyncio.sleep(0.1)
    assert await database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM outbox").scalar()) == 0
    other.execute("COMMIT")
    other.close()
    await writing
    assert await outbox.depth() == 1
    await database.close()
