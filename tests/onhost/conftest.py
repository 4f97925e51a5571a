from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.standin.machine import Machine
from tests.onhost.bench import Bench


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A stand-in host, switched on."""
    async with Machine(tmp_path / "host") as running:
        yield running


@pytest.fixture
def bench(machine: Machine) -> Bench:
    """What a test asks of the host."""
    return Bench(machine)
