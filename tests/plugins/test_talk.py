from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.errors import ChatUnreachableError
from opsbot.model import Json, Message
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM


async def test_hello_greets_by_name(bench: Bench) -> None:
    """`!hello NAME` greets NAME; without one, the world."""
    assert await bench.say("member", "!hello Ada") == "Hello, Ada!"
    assert await bench.say("@nobody:elsewhere.org", "!hello") == "Hello, world!"


async def test_what_is_no_command_is_left_alone(bench: Bench) -> None:
    """Talk, and the commands of the bridge and the homeserver, get no answer."""
    for text in ("hello", "! hello", "!!!", "!slack help", "!admin users list", "", "1!hello"):
        assert await bench.say("admin", text) == ""


async def test_near_misses_get_a_suggestion(bench: Bench) -> None:
    """A misspelt command is answered with the nearest one."""
    assert "Did you mean `!deploy`?" in await bench.say("deployer", "!deplyo hello-bot")


async def test_misspelt_projects_get_a_suggestion(bench: Bench) -> None:
    """A misspelt project is answered with the nearest name and the usage line; nothing is asked of the host."""
    answer = await bench.say("deployer", "!deploy helo-bot")

    assert "There is no project `helo-bot`. Did you mean `hello-bot`?" in answer
    assert "Usage: `!deploy PROJECT" in answer
    assert bench.host.asked == []


async def test_old_commands_are_answered_and_not_run(bench: Bench) -> None:
    """A command older than two minutes is not run, and says so."""
    long_ago = bench.clock.now() - timedelta(minutes=5)

    answer = await bench.say("deployer", "!deploy hello-bot", sent_at=long_ago)

    assert answer.startswith("Not run: too old. You sent it 5 minutes ago")
    assert bench.host.asked == []


async def test_the_same_event_is_accepted_once(bench: Bench) -> None:
    """A homeserver that repeats an event does not repeat the command."""
    message = Message(
        event_id="$same", room_id=ROOM, sender="@member:example.org", body="!hello", sent_at=bench.clock.now()
    )
    await bench.site.inbox.accept([message, message], position="1")
    assert await bench.hear(message) == "Hello, world!"

    await bench.site.inbox.accept([message], position="2")

    assert await bench.site.inbox.open_messages() == []


async def test_a_fault_in_a_plugin_is_told_with_a_reference(tmp_path: Path) -> None:
    """A plugin that breaks does not break the bot: the person gets a reference that stands in the log."""
    broken = tmp_path / "plugins"
    broken.mkdir()
    (broken / "broken.py").write_text(
        'from opsbot import command\n\n@command\nasync def boom() -> str:\n    """Break."""\n    raise KeyError("x")\n'
    )
    async with Bench.open(tmp_path, broken) as bench:
        answer = await bench.say("member", "!boom")

        assert answer.startswith("Something broke in me while I did that.")
        assert await bench.say("member", "!hello") == "Hello, world!"


async def test_a_homeserver_that_goes_away_loses_no_command(bench: Bench) -> None:
    """A command whose room cannot be looked at waits in the inbox."""
    bench.chat.away = True
    message = Message(
        event_id="$wait", room_id=ROOM, sender="@member:example.org", body="!hello", sent_at=bench.clock.now()
    )
    await bench.site.inbox.accept([message], position=None)

    with pytest.raises(ChatUnreachableError):
        await bench.hear(message)

    assert await bench.site.inbox.open_messages() == [message]
    bench.chat.away = False
    assert await bench.hear(message) == "Hello, world!"


async def test_whoami_names_the_person_not_the_account(bench: Bench) -> None:
    """`!whoami` shows the person, the level and what they may do."""
    answer = await bench.say("member", "!whoami")

    assert "You are member, member" in answer
    assert "status" in answer
    assert "deploy" not in answer


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"version": "9.0", "protocol": 2}, "opsbot-host there speaks version 2 of the protocol, and this bot 1."),
        (None, "opsbot-host there answers what this bot does not understand."),
    ],
)
async def test_status_says_that_a_host_is_of_another_version(bench: Bench, facts: Json, sentence: str) -> None:
    """A host whose helper this bot does not understand is said so, and all else is shown."""
    bench.host.says["facts"] = facts

    answer = await bench.say("member", "!status")

    assert f"✗ cannot be asked: {sentence}" in answer
    assert "1.2.3" in answer


async def test_status_says_what_could_not_be_asked(bench: Bench) -> None:
    """When the host cannot be reached, `!status` shows what is seen from outside, and says what could not be asked."""
    bench.host.away = True
    bench.outside.ill["opsbot"] = "Connection refused"

    answer = await bench.say("member", "!status")

    assert "homeserver  not asked" in answer
    assert "4 ms 1.2.3" in answer
    assert "Connection refused" in answer
    assert "✗ cannot be asked" in answer


async def test_status_shows_drift(bench: Bench) -> None:
    """`!status` shows the running generation, the platform's commit and each project's running and newest revision."""
    answer = await bench.say("member", "!status")

    assert "generation 31 runs, booted the same" in answer
    assert "hello-bot  " in answer
    assert "no job runs" in answer


async def test_answers_are_in_a_thread_on_the_command(bench: Bench) -> None:
    """An answer is in the thread of the command, or in a new one on it."""
    asked = Message(
        event_id="$asked", room_id=ROOM, sender="@member:example.org", body="!hello", sent_at=bench.clock.now()
    )
    await bench.site.inbox.accept([asked], position=None)
    await bench.bot.handle(asked)

    letter = await bench.letters.take(ROOM)

    assert letter is not None
    assert letter.post.thread == "$asked"
