import importlib.util
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from opsbot.demo.homeserver import Homeserver
from tests.postgres import Postgres, why_not

# Two tests at a time are told a width, which would count for more than that of the terminals that they open.
os.environ.pop("COLUMNS", None)

needs_synapse = "install Synapse: pip install 'opsbot[demo]'"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeserver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """One real homeserver for the whole run; tests make people and rooms of their own."""
    if importlib.util.find_spec("synapse") is None:
        pytest.skip(needs_synapse)
    folder: Path = tmp_path_factory.mktemp("homeserver")
    async with Homeserver(folder, server_name="test.local") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One real PostgreSQL for the whole run; tests make databases of their own."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with Postgres.running() as running:
        yield running
