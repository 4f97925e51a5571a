import json
import sqlite3
from pathlib import Path

import pytest

from opsbot.testing import Bench
from tests.test_check import EXAMPLE, cli


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """The database of a bot that was spoken to."""
    async with Bench.open(tmp_path) as bench:
        await bench.say("deployer", "!deploy hello-bot --reason it was time")
        await bench.say("member", "!deploy web-shop")
    return tmp_path / "opsbot.db"


def history(database: Path, *options: str) -> tuple[int, str]:
    """Run `opsbot history` on a database."""
    return cli("history", *options, "--config", EXAMPLE, environ={"OPSBOT_DATABASE": f"sqlite:///{database}"})


def test_the_history_is_read_as_text_and_as_json(database: Path) -> None:
    """`opsbot history` has a line for each command and each end of a job, as text or as JSON."""
    status, said = history(database)
    first, end, refused = said.splitlines()
    assert status == 0
    assert (
        "deployer (@deployer:example.org): deploy hello-bot --reason it was time: yes, deployer is deployer." in first
    )
    assert "deployer: deploy hello-bot main: done. hello-bot" in end
    assert "generation 31 → 32" in end
    assert "member (@member:example.org): deploy web-shop: no, this needs the level deployer" in refused

    lines = [json.loads(line) for line in history(database, "--json")[1].splitlines()]
    assert [line["kind"] for line in lines] == ["decision", "end", "decision"]
    assert lines[1]["more"]["outcome"] == "done"
    assert lines[1]["job_id"] == lines[0]["job_id"]


def test_a_change_is_found(database: Path) -> None:
    """`opsbot history --verify` says that the chain holds, or at which line it is broken."""
    status, said = history(database, "--verify")
    assert status == 0
    assert said.startswith("The chain holds up to line 3, ")

    with sqlite3.connect(database) as connection:
        connection.execute("DROP TRIGGER audit_stays_update")
        connection.execute("UPDATE audit SET allowed = 1 WHERE id = 3")
    assert history(database, "--verify") == (
        1,
        "The chain is broken at line 3: it, or one before it, was changed or taken away.\n",
    )


def test_a_database_that_is_not_there_is_not_an_empty_audit(tmp_path: Path) -> None:
    """`opsbot history --verify` of a database that is nowhere is no yes, and makes none."""
    missing = tmp_path / "moved" / "opsbot.db"

    status, said = history(missing, "--verify")

    assert (status, said) == (
        1,
        f"opsbot: There is no database at {missing}; the bot makes it when it first starts.\n",
    )
    assert not missing.parent.exists()
