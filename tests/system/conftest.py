import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.system import image
from tests.system.debian import Debian, own_network
from tests.system.install import install
from tests.system.world import World


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """The files of a host on which everything is installed, highest layer first."""
    if (why := image.why_not()) is not None:
        pytest.skip(why)
    lower = image.layers()
    own_network()
    place = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as patch:
        # The repositories belong to a user of the host's; we commit to them from outside.
        for key, value in {"COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": "*"}.items():
            patch.setenv(f"GIT_CONFIG_{key}", value)
        with Debian(place, lower, place / "upper") as debian:
            asyncio.run(install(debian))
        yield [place / "upper", *lower]


@pytest_asyncio.fixture
async def world(layers: list[Path], tmp_path: Path) -> AsyncIterator[World]:
    """A host of its own for each story, booted, with the team in its room."""
    with Debian(tmp_path, layers, tmp_path / "upper") as debian:
        debian.boot()
        async with World(debian).entered() as entered:
            yield entered
        debian.forget()
