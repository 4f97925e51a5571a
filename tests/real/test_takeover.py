import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from opsbot.demo.homeserver import Homeserver, free_port
from opsbot.demo.speaker import Line
from opsbot.demo.stage import Stage
from opsbot.standin.machine import Machine
from tests.postgres import PASSWORD, Postgres
from tests.real.test_kill import died, ended

pytestmark = pytest.mark.real

WITHIN = 60.0


@asynccontextmanager
async def platform(
    folder: Path, homeserver: Homeserver, postgres: Postgres, *, command: Sequence[str] = ("opsbot", "run")
) -> AsyncIterator[tuple[Stage, Machine]]:
    """Build a team, a host and a bot whose database is PostgreSQL."""
    more = {"database": postgres.database(), "database_password_file": "database"}
    async with (
        Machine(folder / "host", pace=0.3) as machine,
        Stage.open(
            folder / "opsbot",
            homeserver=homeserver,
            machine=machine,
            crowd=f"-{folder.name.replace('_', '-')}".lower(),
            command=command,
            more=more,
            secrets={"database": PASSWORD},
        ) as stage,
    ):
        yield stage, machine


@asynccontextmanager
async def second_bot(stage: Stage, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """Start another bot on the stage's database; give where its pages and its log are."""
    listen = f"127.0.0.1:{free_port()}"
    config, log = folder / "second.yaml", folder / "second.log"
    config.write_text(json.dumps(json.loads(stage.config.read_text()) | {"listen": listen}))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "opsbot", "run", "--config", str(config)), stdout=output, stderr=output
        )
    try:
        yield listen, log
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), WITHIN)


async def page(listen: str, name: str) -> tuple[int, str]:
    """Ask a bot for one of its pages; status 0 while nobody listens."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{listen}/{name}") as answer:
            return answer.status, (await answer.text()).strip()
    except aiohttp.ClientError:
        return 0, ""


async def page_says(listen: str, status: int, words: str) -> None:
    """Wait until a bot's /readyz says so."""
    async with asyncio.timeout(WITHIN):
        while True:
            found, said = await page(listen, "readyz")
            if found == status and words in said:
                return
            await asyncio.sleep(0.1)


def messages(log: Path) -> list[str]:
    """Return what a bot's log says, line by line."""
    return [json.loads(line)["message"] for line in log.read_text().splitlines()]


def told_once(lines: list[Line], machine: Machine) -> None:
    """See that the deploy came to its true end, once, in the room and on the host."""
    closing = [line.body for line in lines if line.thread is None and "(#1, deployer)" in line.body]
    assert len(closing) == 1
    assert "runs on `ops-jrz1`: generation 32" in closing[0]
    assert len([line for line in lines if line.thread]) == 1
    assert os.path.realpath(machine.layout.profile) == str(machine.running())


@pytest.mark.parametrize("place", ["in prepare", "in activate", "in end"])
async def test_a_standby_takes_over_and_does_nothing_twice(
    homeserver: Homeserver, postgres: Postgres, tmp_path: Path, place: str
) -> None:
    """A second bot waits, and says so; after kill -9 of the first it brings the first one's deploy to its end, once."""
    command = ("tests.real.dying_bot", place)
    async with (
        platform(tmp_path, homeserver, postgres, command=command) as (stage, machine),
        second_bot(stage, tmp_path) as (listen, log),
    ):
        await page_says(listen, 503, "This bot stands by. Another opsbot leads on this database.")
        assert await page(listen, "healthz") == (200, "well")
        assert "opsbot_leads 0.0" in (await page(listen, "metrics"))[1]
        deployer = stage.people["deployer"]
        await deployer.say(stage.room_id, "!deploy hello-bot")

        assert await died(stage) == -9

        await deployer.wait_for(stage.room_id, ended, within=WITHIN)
        await page_says(listen, 200, "well")
        assert "opsbot_leads 1.0" in (await page(listen, "metrics"))[1]
        told_once(await deployer.lines(stage.room_id), machine)
        said = messages(log)
        assert said[:3] == ["standing by", "taking over", "at work"]
        assert PASSWORD not in log.read_text()


async def test_a_database_that_goes_away_in_mid_job_ends_the_job_once(
    homeserver: Homeserver, postgres: Postgres, tmp_path: Path
) -> None:
    """A bot whose database goes ends at once; the next one waits for the database and brings the job to its end."""
    async with platform(tmp_path, homeserver, postgres) as (stage, machine):
        deployer = stage.people["deployer"]
        await deployer.say(stage.room_id, "!deploy hello-bot")
        await deployer.wait_for(stage.room_id, lambda lines: any("▶ prepare" in line.body for line in lines))
        postgres.stop()
        try:
            assert await died(stage) == os.EX_TEMPFAIL
            async with second_bot(stage, tmp_path) as (listen, log):
                await page_says(listen, 503, "This bot stands by. The database cannot be reached: ")
                postgres.start()
                lines = await deployer.wait_for(stage.room_id, ended, within=WITHIN)
                told_once(lines, machine)
                assert messages(log)[:3] == ["standing by", "taking over", "at work"]
        finally:
            if not postgres.runs:
                postgres.start()
    assert "database lost, ending at once" in stage.log.read_text()
    assert "Traceback" not in stage.log.read_text()
