from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.testing import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A whole bot over a fake homeserver and a fake host."""
    async with Bench.open(tmp_path) as opened:
        yield opened
