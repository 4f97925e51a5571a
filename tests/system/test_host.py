import pytest

from tests.system.platform import hello_bot
from tests.system.world import World

pytestmark = pytest.mark.system


async def test_by_one_command_a_commit_becomes_what_runs(world: World) -> None:
    """Through the real polkit, sshd, systemd and Nix a deploy is built, switched, proved, committed and published."""
    before = world.running()
    wanted = world.commit("hello-bot", "Greet more warmly", hello_bot("1.1"))
    assert world.greeting() == "hello-bot 1.0"
    told = await world.deploy("!deploy hello-bot", 1)
    assert f"hello-bot {wanted[:7]} runs on `ops-jrz1`: generation 2" in told
    assert world.greeting() == "hello-bot 1.1"
    assert world.running() == world.default() == world.boots() != before
    assert world.repository("platform").log()[0].startswith("hello-bot: ")
    await world.say("admin", "!rollback")
    told = await world.end(2)
    assert "Generation 1 runs" in told
    assert world.running() == world.default() == world.boots() == before
    assert world.greeting() == "hello-bot 1.0"
