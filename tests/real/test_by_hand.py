import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from opsbot.demo.conversation import Conversation
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Line
from opsbot.demo.stage import Stage
from opsbot.standin.machine import Machine
from tests.onhost.bench import Bench
from tests.onhost.test_console import at_console
from tests.real.test_kill import ended
from tests.standin.console import Console
from tests.standin.test_switch import system

pytestmark = pytest.mark.real


def told(words: str) -> Callable[[list[Line]], bool]:
    """Tell whether the room has read WORDS."""
    return lambda lines: any(words in line.body for line in lines)


def times(lines: list[Line], words: str) -> int:
    """Return how many messages of a room have WORDS."""
    return len([line for line in lines if words in line.body])


async def looked(database: Path) -> None:
    """Wait until the bot has seen what runs on its host."""
    async with asyncio.timeout(60):
        while True:
            with closing(sqlite3.connect(database)) as opened:
                if opened.execute("SELECT 1 FROM meta WHERE key = 'console.running:ops-jrz1'").fetchall():
                    return
            await asyncio.sleep(0.1)


async def test_what_was_done_by_hand_appears_in_the_room(homeserver: Homeserver, tmp_path: Path) -> None:
    """A job that a person took back at the console, and a switch by hand, are told once each, also over restarts."""
    async with (
        Machine(tmp_path / "host", pace=0.3) as machine,
        Stage.open(tmp_path / "opsbot", homeserver=homeserver, machine=machine, crowd="-by-hand") as stage,
    ):
        deployer = stage.people["deployer"]
        await looked(tmp_path / "opsbot" / "opsbot.db")
        await deployer.say(stage.room_id, "!deploy hello-bot")
        await deployer.wait_for(stage.room_id, told("▶ activate"), within=90)
        await stage.kill_bot()
        job = (await Bench(machine).ask("list"))[0]["job"]
        await Bench(machine).until(job, "activate", "waiting")
        assert (await at_console(machine, "revert", job))[0] == 0

        await stage.start_bot()
        await deployer.wait_for(stage.room_id, ended, within=60)
        await deployer.wait_for(stage.room_id, told("At the console of `ops-jrz1`, dan asked to go back"), within=60)
        await stage.stop_bot()
        assert (await Console(machine).switch(system(machine, Console(machine), "2.0"), "switch")).code == 0

        for _ in range(2):
            await stage.start_bot()
            await deployer.wait_for(stage.room_id, told("which is not what I put there"), within=60)
            asked = await Conversation(stage).ask("deployer", "!generations", within=60, show=lambda _: None)
            assert asked.ended
            await stage.stop_bot()

        lines = await deployer.lines(stage.room_id)
        assert times([line for line in lines if line.thread is None], "A person at the console asked to go back.") == 1
        assert times(lines, "At the console of `ops-jrz1`") == 1
        assert times(lines, "which is not what I put there") == 1
