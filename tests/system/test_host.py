import asyncio
import importlib.util
import time
from types import ModuleType

import pytest

from tests.system.debian import Debian
from tests.system.platform import TOP, hello_bot
from tests.system.world import World

pytestmark = pytest.mark.system

_FOLDER = TOP / "nix/test"


def _shell(command: str) -> tuple[str, ...]:
    """Return what the driver of NixOS runs for a command."""
    return ("bash", "-c", f"set -euo pipefail; {command}")


class Console:
    """The Debian, as the NixOS that tells the same story."""

    def __init__(self, debian: Debian) -> None:
        self._debian = debian

    def succeed(self, command: str) -> str:
        """Run a command, which must end with 0, and return what it wrote."""
        return self._debian.run(*_shell(command)).stdout

    def wait_until_succeeds(self, command: str, timeout: int) -> str:
        """Run a command until it ends with 0."""
        deadline = time.monotonic() + timeout
        while (done := self._debian.run(*_shell(command), check=False)).returncode:
            assert time.monotonic() < deadline, f"{command}: {done.stderr}"
            time.sleep(0.2)
        return done.stdout


def _told() -> ModuleType:
    spec = importlib.util.spec_from_file_location("story", _FOLDER / "story.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_story_of_the_nixos_test_is_true_here(world: World) -> None:
    """Deployed, undone for its check, undone because nobody confirmed, and rolled back, as in the flake's VM test."""

    def commit(version: str) -> str:
        status = 500 if version == "broken" else 200
        return world.commit("hello-bot", f"Release {version}", hello_bot(version, status=status))

    await asyncio.to_thread(_told().story, Console(world.debian), commit)
    assert world.running() == world.default() == world.boots()
    # Only what was proved is published.
    subjects = world.repository("platform").log()
    assert [line.partition(":")[0] for line in subjects] == ["hello-bot", "Lock the inputs", "Release 1.0"]
