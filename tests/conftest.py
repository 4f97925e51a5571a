import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from opsbot.demo.homeserver import Homeserver

needs_synapse = "install Synapse: pip install 'opsbot[demo]'"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeserver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """One real homeserver for the whole run; tests make people and rooms of their own."""
    if importlib.util.find_spec("synapse") is None:
        pytest.skip(needs_synapse)
    folder: Path = tmp_path_factory.mktemp("homeserver")
    async with Homeserver(folder, server_name="test.local") as running:
        yield running
