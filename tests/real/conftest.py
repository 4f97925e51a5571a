from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from opsbot.demo.homeserver import Homeserver
from opsbot.demo.stage import Door, Stage
from tests.onhost.nix_platform import NixMachine, why_not
from tests.sshd import Sshd

_CROWDS = count(1)

OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[NixMachine]:
    """A host with the real Nix."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    async with NixMachine(tmp_path / "host") as running:
        yield running


@pytest.fixture
def door(machine: NixMachine, tmp_path: Path) -> Iterator[Door]:
    """OpenSSH's sshd in front of the host, with the forced command."""
    helper = machine.layout.running / "sw/bin/opsbot-host"
    path = f"PATH={machine.layout.search_path}"
    command: list[str | Path] = ["/usr/bin/env", path, helper, "--config", machine.host_json, "ssh"]
    with Sshd(folder=tmp_path / "sshd", command=command) as sshd:
        yield Door(port=sshd.port, user=sshd.user, host_key=sshd.host_key, client_key=sshd.client_key)


@pytest.fixture
def open_stage(homeserver: Homeserver, machine: NixMachine, door: Door, tmp_path: Path) -> OpenStage:
    """A team in a room with the bot, before Synapse, sshd and Nix; the bot's command may be another."""

    @asynccontextmanager
    async def opened(command: Sequence[str] = ("opsbot", "run")) -> AsyncIterator[Stage]:
        number = next(_CROWDS)
        folder = tmp_path / f"opsbot{number}"
        async with Stage.open(
            folder, homeserver=homeserver, machine=machine, door=door, crowd=str(number), command=command
        ) as stage:
            yield stage

    return opened
