import asyncio

import pytest

from opsbot.demo.conversation import OPEN
from opsbot.demo.speaker import Line
from opsbot.demo.stage import Stage
from tests.onhost.nix_platform import NixMachine, project_files
from tests.real.conftest import OpenStage
from tests.real.test_story import default, pins

pytestmark = pytest.mark.real

STEPS = ("begin", "prepare", "plan", "agree", "turn", "look", "activate", "prove", "publish", "unhold", "end")


def ended(lines: list[Line]) -> bool:
    """Tell whether a job's report and its closing line are in the room."""
    closing = [line for line in lines if line.thread is None and "(#1, deployer)" in line.body]
    reports = [line for line in lines if line.thread and not line.body.startswith(OPEN)]
    return bool(closing and reports)


@pytest.mark.parametrize("place", [f"in {step}" for step in STEPS])
async def test_a_bot_that_is_killed_in_any_step_ends_the_job_once(
    machine: NixMachine, open_stage: OpenStage, place: str
) -> None:
    """After kill -9 in any step of a deploy, the next start brings the job to its true end, once."""
    wanted = machine.repositories.projects["hello-bot"].commit("Release 1.1", project_files("hello-bot", "1.1"))

    async with open_stage(command=("tests.real.dying_bot", place)) as stage:
        deployer = stage.people["deployer"]
        await deployer.say(stage.room_id, "!deploy hello-bot")
        assert await died(stage) == -9
        await stage.start_bot(("opsbot", "run"))
        lines = await deployer.wait_for(stage.room_id, ended, within=90)
        await asyncio.sleep(1)
        lines = await deployer.lines(stage.room_id)

    closing = [line.body for line in lines if line.thread is None and "(#1, deployer)" in line.body]
    assert len(closing) == 1
    assert f"hello-bot {wanted[:7]} runs on `ops-jrz1`: generation 2" in closing[0]
    assert len([line for line in lines if line.thread]) == 1
    assert pins(machine.running())["hello-bot"] == wanted
    assert default(machine) == machine.running()
    assert len(list(machine.layout.profile.parent.glob("system-*-link"))) == 2
    assert machine.repositories.platform.log()[0].startswith("hello-bot: ")
    assert len(machine.repositories.platform.log()) == 2


async def died(stage: Stage) -> int:
    """Wait until the bot is dead; return how it ended."""
    async with asyncio.timeout(90):
        return await stage.bot_ended()
