from pathlib import Path

from opsbot.store.memory import Memory
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM
from opsbot.witness import Witness


async def test_each_line_of_the_audit_is_told_once(tmp_path: Path) -> None:
    """A line each goes to the audit's room, in their order and its zone; after a restart none is told again."""
    async with Bench.open(tmp_path, audit_room=ROOM, timezones={ROOM: "Asia/Tokyo"}) as bench:
        await bench.say("member", "!deploy hello-bot")
        await bench.say("deployer", "!deploy hello-bot")
        for _ in range(2):
            await Witness(bench.site, Memory(bench.database)).tell()
        await bench.settle()
        told = [words for key, words in bench.room.items() if key.startswith("audit:")]

    assert [line.partition(" ")[2].partition(": ")[0] for line in told] == [
        "21:00:00 member (@member:example.org)",
        "21:00:00 deployer (@deployer:example.org)",
        told[2].partition(" ")[2].partition(": ")[0],
    ]
    assert "no, this needs the level deployer" in told[0]
    assert "done. hello-bot" in told[2]


async def test_the_whole_story_of_a_job_can_be_asked_for(tmp_path: Path) -> None:
    """`!audit 1` shows who asked, what was decided and how it ended, to contributors and above."""
    async with Bench.open(tmp_path) as bench:
        await bench.say("deployer", "!deploy hello-bot")
        first, last = (await bench.say("contributor", "!audit 1")).splitlines()
        assert "deployer (@deployer:example.org): deploy hello-bot: yes, deployer is deployer." in first
        assert "generation 31 → 32" in last
        assert "There is no job `9`." in await bench.say("contributor", "!audit 9")
        assert "No: this needs the level contributor" in await bench.say("member", "!audit 1")
