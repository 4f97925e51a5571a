import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opsbot.demo.conversation import Conversation, Exchange
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Line
from opsbot.demo.stage import Stage
from opsbot.standin.machine import Machine
from tests.real.test_kill import ended

pytestmark = pytest.mark.real


async def opsbot(stage: Stage, command: str, file: Path) -> tuple[int | None, str]:
    """Give a command on the command line; return its status and its words."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", command, "--config", str(stage.config), str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def say(stage: Stage, name: str, words: str) -> Exchange:
    """Say something as a person of the team; return what was answered to the end."""
    exchange = await Conversation(stage).ask(name, words, within=60, show=lambda _: None)
    assert exchange.ended
    return exchange


def running(stage_name: str) -> Callable[[list[Line]], bool]:
    """Tell whether a job's report shows it at a stage."""
    return lambda lines: any(f"▶ {stage_name}" in line.body for line in lines)


def done_on(machine: Machine) -> dict[str, bytes]:
    """Return everything that the host has written down about its jobs."""
    folder = Path(json.loads(machine.host_json.read_text())["state"]) / "jobs"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_restoring_an_old_backup_repeats_nothing(homeserver: Homeserver, tmp_path: Path) -> None:
    """After a restoration the room reads one notice: no command is run or answered again, no deploy is done again."""
    copy = tmp_path / "copy.db"
    async with (
        Machine(tmp_path / "host", pace=0.3) as machine,
        Stage.open(tmp_path / "opsbot", homeserver=homeserver, machine=machine, crowd="-restored") as stage,
    ):
        deployer = stage.people["deployer"]
        await say(stage, "member", "!hello")
        await deployer.say(stage.room_id, "!deploy hello-bot")
        await deployer.wait_for(stage.room_id, running("prepare"))
        assert (await opsbot(stage, "backup", copy))[0] == 0
        await deployer.wait_for(stage.room_id, ended, within=60)
        await say(stage, "deployer", "!deploy web-shop")
        await say(stage, "member", "!status")
        status, said = await opsbot(stage, "restore", copy)
        assert (status, "Another opsbot runs on this database" in said, "Stop it first." in said) == (1, True, True)
        await stage.stop_bot()
        before, done = await deployer.lines(stage.room_id), done_on(machine)

        status, said = await opsbot(stage, "restore", copy)
        assert (status, "opsbot.db.replaced-" in said) == (0, True)
        await stage.start_bot()
        await deployer.wait_for(stage.room_id, lambda lines: len(lines) > len(before))
        await say(stage, "member", "!hello")

        lines = await deployer.lines(stage.room_id)
        assert lines[: len(before)] == before
        notice, *more = lines[len(before) :]
        news = [line for line in more if line.body.startswith("🖥️")]
        _, answer = [line for line in more if line not in news]
        assert "I was restored from a backup: I remember nothing from " in notice.body
        assert "#1 deploy hello-bot main on `ops-jrz1`, for deployer: It was open in the backup" in notice.body
        assert answer.body.startswith("Hello")
        # What the host tells of the time that was forgotten is news to this bot, and to nobody's harm.
        assert len(news) <= 2
        assert all("it is committed now" in line.body or "is not what I put there" in line.body for line in news)
        assert len(done) > 0
        assert done_on(machine) == done
        again = await say(stage, "deployer", "!deploy hello-bot")
        assert "is what runs on `ops-jrz1` already" in again.answers[0].body
        assert "#1002 " in again.answers[0].body
        assert "Traceback" not in stage.log.read_text()
