from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from opsbot.standin.machine import Machine
from tests.bridge.crossing import Crossing, crossing


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crossing]:
    """Slack, bridge, homeserver, host and bot, for all tests that leave them as they were."""
    async with (
        Machine(tmp_path_factory.mktemp("host")) as machine,
        crossing(tmp_path_factory.mktemp("crossing"), machine=machine) as made,
    ):
        await made.start_bot()
        yield made
