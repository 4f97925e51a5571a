import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.errors import ConfigError
from opsbot.model import Post, Text
from opsbot.store.address import Place, place
from opsbot.store.database import Database
from opsbot.store.lead import LostError, SessionLead, lead_of
from opsbot.store.outbox import Outbox
from tests.postgres import PASSWORD, Postgres

POST = Post(cause="a", room_id="!ops:test.local", text=Text(body="a", html="a"))


@pytest.fixture
def shared(postgres: Postgres) -> Place:
    """Where an empty database of PostgreSQL is."""
    return place(postgres.database(), PASSWORD)


@contextlib.contextmanager
def lead(where: Place) -> Iterator[SessionLead]:
    """Make a lead that somebody may take."""
    made = SessionLead(where)
    yield made
    made.close()


def cut(postgres: Postgres, where: Place) -> None:
    """End all sessions on a database, as a restart of PostgreSQL does."""
    sessions = f"FROM pg_stat_activity WHERE datname = '{where.database}' AND pid <> pg_backend_pid()"
    postgres.ask("postgres", f"SELECT pg_terminate_backend(pid) {sessions}")


def test_one_bot_at_a_time_on_a_file(tmp_path: Path) -> None:
    """A second bot on the same file of SQLite ends with a sentence before it touches the database."""
    where = place(f"sqlite:///{tmp_path}/jobs.db")
    first, second = lead_of(where), lead_of(where)

    assert first.take() is None
    with pytest.raises(ConfigError, match=r"Another opsbot runs on this database \(.*/jobs.db.lock is locked\)"):
        second.take()
    assert not (tmp_path / "jobs.db").exists()

    first.close()
    assert second.take() is None
    second.close()


def test_one_bot_at_a_time_on_a_database(shared: Place) -> None:
    """A second bot on the same database of PostgreSQL is told so, and leads when the first one has ended."""
    with lead(shared) as second:
        with lead(shared) as first:
            assert first.take() is None
            assert second.take() == "Another opsbot leads on this database."
        # The session that was just closed may still be on its way out.
        until = time.monotonic() + 10
        while second.take() is not None:
            assert time.monotonic() < until
        second.check()


def test_bots_on_other_databases_do_not_mind(postgres: Postgres, shared: Place) -> None:
    """Two databases of one PostgreSQL have a lead each."""
    with lead(shared) as first, lead(place(postgres.database(), PASSWORD)) as second:
        assert first.take() is None
        assert second.take() is None


async def test_whoever_has_lost_the_lead_cannot_write(postgres: Postgres, shared: Place) -> None:
    """When the session that has the lock is gone nothing more is stored, and it does not come back by itself."""
    told: list[str] = []
    with lead(shared) as lost:
        assert lost.take() is None
        database = Database(shared, lead=lost)
        lost.on_lost = told.append
        cut(postgres, shared)
        for _ in range(2):
            with pytest.raises(LostError, match="The database was lost: "):
                await Outbox(database).post(POST)
        await database.close()
        with lead(shared) as next_one:
            assert next_one.take() is None
            database = Database(shared, lead=next_one)
            assert await Outbox(database).depth() == 0
            await database.close()
    assert len(told) == 1


async def test_a_lost_lead_is_noticed_by_an_idle_bot(postgres: Postgres, shared: Place) -> None:
    """A bot that has nothing to do notices within moments that the database is not its own any more."""
    with lead(shared) as lost:
        assert lost.take() is None
        database = Database(shared, lead=lost)
        keeping = asyncio.create_task(database.keep())
        await asyncio.sleep(0)
        cut(postgres, shared)
        with pytest.raises(LostError, match="The database was lost: "):
            await asyncio.wait_for(keeping, 30)
        await database.close()


async def test_a_read_that_fails_loses_the_lead(postgres: Postgres, shared: Place) -> None:
    """A reader's lost connection counts as the database's: who cannot read must not go on."""
    with lead(shared) as lost:
        assert lost.take() is None
        database = Database(shared, lead=lost)
        assert await Outbox(database).depth() == 0
        cut(postgres, shared)
        with pytest.raises(LostError):
            await Outbox(database).depth()
        await database.close()


def test_a_pooler_that_changes_sessions_is_noticed(shared: Place) -> None:
    """A lock that the session does not hold any more, as behind a pooler, counts as lost."""
    with lead(shared) as pooled:
        assert pooled.take() is None
        with pooled.begin() as session:
            session.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        with pytest.raises(LostError, match="connect to it without a pooler"):
            pooled.check()


def test_a_database_that_cannot_be_reached_is_waited_for(postgres: Postgres, shared: Place, tmp_path: Path) -> None:
    """What stands in the way is one sentence without the password, and a later try may succeed."""
    with lead(shared.set(query={"host": str(tmp_path)})) as nowhere:
        assert "The database cannot be reached: " in (why := nowhere.take() or "")
        assert "\n" not in why
    with lead(shared.set(password="wrong" + PASSWORD)) as stranger:
        assert "password authentication failed" in (why := stranger.take() or "")
        assert PASSWORD not in why
    postgres.ask("postgres", f"ALTER DATABASE {shared.database} CONNECTION LIMIT 0")
    with lead(shared) as patient:
        assert "too many connections" in (patient.take() or "")
        postgres.ask("postgres", f"ALTER DATABASE {shared.database} CONNECTION LIMIT -1")
        assert patient.take() is None


def test_a_database_that_cannot_hold_every_letter_is_refused(postgres: Postgres) -> None:
    """A database of another encoding than UTF-8 is refused with the command that makes the right one."""
    with (
        lead(place(postgres.database(encoding="LATIN1"), PASSWORD)) as latin,
        pytest.raises(ConfigError, match="LATIN1; make one with createdb --encoding=UTF8"),
    ):
        latin.take()


def test_the_password_is_in_no_words(shared: Place) -> None:
    """Where a database is can be logged: its words do not hold the password."""
    assert PASSWORD not in f"{shared} {shared!r} {SessionLead(shared)!r}"
