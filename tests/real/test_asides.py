import asyncio
from pathlib import Path

import pytest

from opsbot.demo.asides import follow
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Speaker
from opsbot.demo.stage import Stage

pytestmark = pytest.mark.real


async def test_what_the_bot_says_by_itself_is_shown_once(homeserver: Homeserver, tmp_path: Path) -> None:
    """Words of a schedule or a hook are shown at the demo's prompt, once; answers and closing lines are not again."""
    told: list[str] = []
    tokens = [await homeserver.register(name, name) for name in ("opsbot-asides", "member-asides")]
    async with (
        Speaker.with_token(homeserver.url, tokens[0]) as bot,
        Speaker.with_token(homeserver.url, tokens[1]) as who,
    ):
        room = await bot.create_room(who.user_id, name="ops")
        await who.join(room)
        before = await bot.say(room, "Said before.")
        following = asyncio.create_task(follow(Stage(tmp_path, room, {"member": who}, ()), told.append))
        async with asyncio.timeout(60):
            while not told:
                await bot.say(room, "An answer.", thread=before)
                await bot.say(room, "✅ done. (#1, deployer)")
                await who.say(room, "!hello")
                await bot.say(room, "Snack time.")
                await asyncio.sleep(0.3)
            for words in ("Once.", "At the end."):
                await bot.say(room, words)
                while words not in told:  # noqa: ASYNC110 - what is told comes by a look at the room
                    await asyncio.sleep(0.1)
        following.cancel()

    assert set(told) == {"Snack time.", "Once.", "At the end."}
    assert told.count("Once.") == 1
