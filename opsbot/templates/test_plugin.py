"""The conversations that example must keep."""

from pathlib import Path

import pytest

from opsbot.testing import Bench

HERE = Path(__file__).parent
pytestmark = pytest.mark.asyncio


async def test_example_counts(tmp_path: Path) -> None:
    """Everybody of the team counts up, and strangers do not."""
    async with Bench.open(tmp_path, HERE) as bench:
        assert await bench.say("member", "!example") == "member counts 1; that makes 1."
        assert await bench.say("deployer", "!example 41") == "deployer counts 41; that makes 42."
        assert (await bench.say("member", "!example 0")).startswith("Count up by one at least.")
        assert (await bench.say("@mallory:elsewhere.org", "!example")).startswith("No: this needs the level member")


async def test_the_morning_tells_how_far_it_is(tmp_path: Path) -> None:
    """In the morning the room reads how far the team has counted, and nothing if it has not."""
    async with Bench.open(tmp_path, HERE) as bench:
        assert await bench.tick("example-morning") == ""

        await bench.say("member", "!example 3")
        bench.clock.pass_time(86400)

        assert await bench.tick("example-morning") == "Good morning. We are at 3."


async def test_a_call_is_told_once(tmp_path: Path) -> None:
    """What another program tells is said once, however often it is sent; what it must not send is answered with why."""
    async with Bench.open(tmp_path, HERE) as bench:
        assert (await bench.post("example-call", {"text": "Hello."}, delivery="1")).said == "Somebody calls: Hello."
        assert (await bench.post("example-call", {"text": "Hello."}, delivery="1")).said == ""
        assert (await bench.post("example-call", ["Hello."])).status == 400
