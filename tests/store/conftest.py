import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opsbot.store.address import Place, place
from opsbot.store.database import Database
from opsbot.store.lead import lead_of
from tests.postgres import PASSWORD, Postgres


@asynccontextmanager
async def leading(where: Place) -> AsyncIterator[Database]:
    """Open a database as the bot does: with the lead."""
    lead = lead_of(where)
    # A session that was just closed may still be on its way out of PostgreSQL.
    async with asyncio.timeout(10):
        while lead.take() is not None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)
    database = Database(where, lead=lead)
    try:
        yield database
    finally:
        await database.close()
        lead.close()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where an empty database is, of either kind."""
    if request.param == "SQLite":
        return place(f"sqlite:///{tmp_path}/opsbot.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return place(postgres.database(), PASSWORD)


@pytest.fixture
async def database(where: Place) -> AsyncIterator[Database]:
    """An empty database of the bot, of either kind."""
    async with leading(where) as opened:
        yield opened
