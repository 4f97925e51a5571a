from pathlib import Path

import pytest

from opsbot.demo.conversation import OPEN, Conversation
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Line
from opsbot.demo.stage import Stage
from opsbot.standin.machine import Machine
from tests.real.test_kill import ended

pytestmark = pytest.mark.real


async def test_a_bot_that_is_stopped_goes_on_with_its_job(homeserver: Homeserver, tmp_path: Path) -> None:
    """SIGTERM in the middle of a deploy ends the bot in good order; the next start brings the job to its end."""
    async with (
        Machine(tmp_path / "host", pace=0.3) as machine,
        Stage.open(tmp_path / "opsbot", homeserver=homeserver, machine=machine, crowd="-stopped") as stage,
    ):
        deployer = stage.people["deployer"]
        await deployer.say(stage.room_id, "!deploy hello-bot")
        await deployer.wait_for(stage.room_id, lambda lines: any("▶ prepare" in line.body for line in lines))

        await stage.stop_bot()
        await stage.start_bot()

        lines = await deployer.wait_for(stage.room_id, ended, within=60)
        closing = [line.body for line in lines if "(#1, deployer)" in line.body]
        assert len(closing) == 1
        assert "runs on `ops-jrz1`: generation 32" in closing[0]
        assert "Traceback" not in stage.log.read_text()


async def test_a_build_can_be_cancelled(homeserver: Homeserver, tmp_path: Path) -> None:
    """`!cancel` stops a build; the report says who cancelled it, and nothing was changed."""
    async with (
        Machine(tmp_path / "host", pace=0.5) as machine,
        Stage.open(tmp_path / "opsbot", homeserver=homeserver, machine=machine, crowd="-cancelled") as stage,
    ):
        before, deployer = machine.running(), stage.people["deployer"]
        await deployer.say(stage.room_id, "!deploy hello-bot")
        await deployer.wait_for(stage.room_id, lambda lines: any("hello-bot>" in line.body for line in lines))

        answered = await Conversation(stage).ask("admin", "!cancel 1", within=30, show=lambda _: None)
        lines = await deployer.wait_for(stage.room_id, ended, within=60)

        assert "I stop #1" in answered.answers[0].body
        closing = next(line.body for line in lines if "(#1, deployer)" in line.body)
        assert "was cancelled by admin while it was built; nothing was changed." in closing
        assert machine.running() == before


async def test_a_long_command_never_delays_a_short_one(homeserver: Homeserver, tmp_path: Path) -> None:
    """While a deploy runs, `!hello` is answered, and `!status` says what a host that is cut off could not be asked."""
    async with (
        Machine(tmp_path / "host", pace=0.5) as machine,
        Stage.open(tmp_path / "opsbot", homeserver=homeserver, machine=machine, crowd="-beside") as stage,
    ):
        member = stage.people["member"]
        await stage.people["deployer"].say(stage.room_id, "!deploy hello-bot")
        await member.wait_for(stage.room_id, lambda lines: any(line.body.startswith(OPEN) for line in lines))
        await machine.cut()
        asked = await member.say(stage.room_id, "!status")

        def answered(lines: list[Line], event_id: str) -> bool:
            return any(line.thread == event_id for line in lines)

        hello = await member.say(stage.room_id, "!hello")
        lines = await member.wait_for(stage.room_id, lambda lines: answered(lines, hello))
        assert any(line.body.startswith(OPEN) for line in lines)

        lines = await member.wait_for(stage.room_id, lambda lines: answered(lines, asked))
        status = next(line.body for line in lines if line.thread == asked)
        assert "✗ cannot be asked" in status
        assert "homeserver" in status
        await machine.heal()
        lines = await member.wait_for(stage.room_id, ended, within=60)
        assert any("runs on `ops-jrz1`: generation 32" in line.body for line in lines)
