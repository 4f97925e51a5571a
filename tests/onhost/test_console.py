import asyncio
from typing import Any

import pytest

from opsbot.standin.machine import Machine
from opsbot.standin.server import base_environment
from tests.onhost.bench import Bench


async def at_console(machine: Machine, *words: str, person: str = "dan") -> tuple[int | None, str]:
    """Type a command as root, by sudo; return its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(str(machine.layout.running / "sw/bin/opsbot-host"), "--config", str(machine.host_json), *words),
        env={**base_environment(machine.layout), "SUDO_USER": person},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def noted(bench: Bench, job: str) -> Any:
    """Return what the bot can learn of what was done at the console, which both questions tell alike."""
    [row] = [one for one in await bench.ask("list") if one["job"] == job]
    assert (await bench.ask("state", job=job))["console"] == row["console"]
    return row["console"]


@pytest.mark.parametrize(("verb", "status"), [("confirm", "committed"), ("revert", "reverted")])
async def test_what_a_person_does_is_noted_with_who_it_was(
    machine: Machine, bench: Bench, verb: str, status: str
) -> None:
    """`confirm` and `revert` at the console end the job, and `list` and `state` tell who did it and when."""
    await bench.waiting("job1")
    assert await noted(bench, "job1") is None

    code, said = await at_console(machine, verb, "job1")

    assert code == 0
    assert f"activate: {status}" in said
    done = await noted(bench, "job1")
    assert (done["verb"], done["by"]) == (verb, "dan")
    assert done["at"] > 0


async def test_what_changes_nothing_is_not_noted(machine: Machine, bench: Bench) -> None:
    """A command for a job that has ended changes nothing, and nothing is told of it."""
    await bench.deploy("job1")
    assert (await at_console(machine, "revert", "job1"))[0] == 0
    await at_console(machine, "confirm", "job1")
    assert await noted(bench, "job1") is None


async def test_the_bots_own_word_is_no_persons(bench: Bench) -> None:
    """What the bot confirms is not noted as done at the console."""
    await bench.deploy("job1")
    assert await noted(bench, "job1") is None


async def test_a_name_that_is_none_is_somebody(machine: Machine, bench: Bench) -> None:
    """The name comes from the environment: whatever is no user's name is not passed on."""
    await bench.waiting("job1")
    await at_console(machine, "confirm", "job1", person="<b>dan</b>\n")
    assert (await noted(bench, "job1"))["by"] == "somebody"
