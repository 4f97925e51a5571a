from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from opsbot.standin.machine import Machine
from tests.standin.console import Console


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    """Run one machine for all tests of a file."""
    async with Machine(tmp_path_factory.mktemp("standin") / "host") as machine:
        yield machine


@pytest.fixture
def console(machine: Machine) -> Console:
    """Sit down at the machine."""
    return Console(machine)
