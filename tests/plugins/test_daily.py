from pathlib import Path

import pytest

from opsbot.model import RoomFacts
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM


@pytest.mark.parametrize(
    "text",
    [
        "@opsbot hello",
        "opsbot: hello",
        "@opsbot:example.org hello",
        "@opsbot: !hello",
        "OPSBOT, hello",
        "!HELLO",
        "!hi",
    ],
)
async def test_the_bot_can_be_called_by_its_name(bench: Bench, text: str) -> None:
    """A command follows the prefix or the bot's own name."""
    assert await bench.say("member", text) == "Hello, world!"


@pytest.mark.parametrize(
    "text", ["opsbot is nice", "I think @opsbot deploy hello-bot", "hello opsbot", "opsbot deploy hello-bot"]
)
async def test_talk_about_the_bot_is_no_command(bench: Bench, text: str) -> None:
    """The bot's name within a sentence calls nobody."""
    assert await bench.say("deployer", text) == ""


@pytest.mark.parametrize(
    "text",
    ["@opsbot thanks!", "!thx", "!thanks a lot", "@opsbot cheers", "thank you, @opsbot!", "Thanks opsbot", "!thanks"],
)
async def test_thanks_are_answered(bench: Bench, text: str) -> None:
    """Thanks are answered as a person expects, before the bot's name and after it."""
    assert await bench.say("member", text) == "You are welcome, member."


@pytest.mark.parametrize(
    "text", ["!help", "@opsbot help", "opsbot help", "opsbot: help!", "!help me please", "help @opsbot"]
)
async def test_help_is_what_a_person_expects(bench: Bench, text: str) -> None:
    """However somebody asks for help, the commands are listed with their arguments."""
    assert "`!deploy PROJECT [REVISION]` Put REVISION of PROJECT on its host." in await bench.say("member", text)


@pytest.mark.parametrize("text", ["@opsbot", "opsbot?", "@opsbot:", "@opsbot:example.org", "!", "opsbot"])
async def test_a_bare_call_is_answered(bench: Bench, text: str) -> None:
    """Who only calls the bot learns where to begin."""
    assert await bench.say("member", text) == "Yes? `!help` lists what I can do."


@pytest.mark.parametrize("words", ["--help", "hello-bot —help", "-h"])
async def test_every_command_explains_itself(bench: Bench, words: str) -> None:
    """`--help` anywhere shows the help of a command and runs nothing."""
    assert (await bench.say("deployer", f"!deploy {words}")).startswith("Usage: !deploy PROJECT")
    assert bench.host.asked == []


async def test_one_message_is_one_command(bench: Bench) -> None:
    """Of several commands in one message none is run."""
    answer = await bench.say("deployer", "!deploy hello-bot\n!rollback")

    assert answer == "Nothing of this was run: send one command in a message."
    assert bench.host.asked == []


async def test_a_relay_that_repeats_the_bot_is_not_answered(bench: Bench) -> None:
    """What the bot said itself is not answered when somebody says it to the bot, so that no two talk for ever."""
    said = await bench.say("@relay:example.org", "@opsbot fly")

    assert "There is no command `!fly`." in said
    assert await bench.say("@relay:example.org", f"opsbot: {said}") == ""


async def test_who_never_says_a_command_is_not_answered_for_ever(bench: Bench) -> None:
    """Ten times in a row nonsense is answered; after a command, or ten minutes of silence, again."""
    answers = [await bench.say("@relay:example.org", f"opsbot: nonsense number {n}") for n in range(12)]

    assert [bool(answer) for answer in answers] == [True] * 10 + [False] * 2
    assert await bench.say("@relay:example.org", "!hello") == "Hello, world!"
    assert await bench.say("@relay:example.org", "!fly")


async def test_cancel_without_a_job_names_those_that_are_open(bench: Bench) -> None:
    """`!cancel` alone says what there is to cancel."""
    assert await bench.say("deployer", "!cancel") == "There is nothing to cancel: no job is open."


async def test_an_alias_is_its_command(bench: Bench) -> None:
    """An alias calls its command, and help names it."""
    assert "generation 31 runs" in await bench.say("member", "!st")
    assert "Also: `!undo`." in await bench.say("member", "!help undo")


async def test_status_of_one_thing(bench: Bench) -> None:
    """`!status` of a service, a project or a host shows only that."""
    service = await bench.say("member", "!status opsbot")
    project = await bench.say("member", "!status web-shop")
    host = await bench.say("member", "!status ops-jrz1")

    assert "opsbot" in service
    assert "homeserver" not in service
    assert "memory" not in service
    assert "web-shop" in project
    assert "hello-bot" not in project
    assert "memory" in host
    assert "Did you mean `web-shop`?" in await bench.say("member", "!status webshop")
    assert "There are: homeserver, opsbot, hello-bot, web-shop, ops-jrz1." in await bench.say("member", "!status xyz")


async def test_why_tells_the_reason(bench: Bench) -> None:
    """`!why` tells whether somebody may say something, and for what reason; about others only to admins."""
    assert await bench.say("member", "!why deploy hello-bot") == (
        "member may not say `deploy hello-bot`: this needs the level deployer; member is member. (people.member.level)"
    )
    assert "deployer may not say `!deploy platform`: the platform is for admins." in await bench.say(
        "admin", "!why deployer !deploy platform"
    )
    assert "Only admins may ask about others." in await bench.say("member", "!why admin deploy platform")
    assert "There is no person and no command `fly`." in await bench.say("member", "!why fly")
    assert "member may not say `deploy`: this needs" in await bench.say("member", "!why deploy")
    assert "PROJECT is missing." in await bench.say("deployer", "!why deploy")
    assert await bench.say("member", "!why") == "COMMAND is missing.\nUsage: `!why [PERSON] COMMAND`"
    assert (
        "contributor may say `deploy hello-bot --dry-run`: contributor is contributor; this needs"
        in await bench.say("admin", "!why @contributor:example.org deploy hello-bot --dry-run")
    )
    assert "Name a command, too" in await bench.say("admin", "!why deployer")


@pytest.mark.parametrize("asked", ["deploy hello-bot", "deploy hello-bot main"])
async def test_who_names_no_revision_means_the_usual_one(tmp_path: Path, asked: str) -> None:
    """A rule about revisions is about main, too, where nobody has typed it."""
    rules = [
        {"allow": "deploy", "levels": ["contributor"], "projects": ["hello-bot"], "revisions": ["main"]},
        {"deny": "deploy", "levels": ["deployer"], "revisions": ["main"]},
    ]
    async with Bench.open(tmp_path, rules=rules) as bench:
        assert f"contributor may say `{asked}`" in await bench.say("contributor", f"!why {asked}")
        assert f"deployer may not say `{asked}`" in await bench.say("deployer", f"!why {asked}")


async def test_rules_hold_in_their_room(tmp_path: Path) -> None:
    """A rule of the configuration holds where it says, from the command to the activation, and `!why` names it."""
    rules = [
        {"allow": "deploy", "people": ["contributor"], "projects": ["hello-bot"], "rooms": ["!ops:example.org"]},
        {"deny": "deploy", "unless": {"revisions": ["main"]}, "reason": "Only main is deployed."},
    ]
    async with Bench.open(tmp_path, rules=rules) as bench:
        assert "contributor may say `deploy hello-bot`: a rule allows deploy to contributor. (rules[1])" in (
            await bench.say("contributor", "!why deploy hello-bot")
        )
        assert "No: Only main is deployed." in await bench.say("admin", "!deploy hello-bot try")
        assert "runs on `ops-jrz1`" in await bench.say("contributor", "!deploy hello-bot")
        assert "this needs the level deployer" in await bench.say("contributor", "!deploy web-shop")


async def test_a_commit_is_judged_where_it_was_found(tmp_path: Path) -> None:
    """A commit may be named where only main may be deployed; the host says on which branch it is."""
    rules = [{"deny": "deploy", "unless": {"revisions": ["main"]}, "reason": "Only main is deployed."}]
    async with Bench.open(tmp_path, rules=rules) as bench:
        bench.host.found_on = "try"
        answer = await bench.say("admin", f"!deploy hello-bot {'c0ffee' * 6}c0ff")

        assert "was not activated: Only main is deployed." in answer
        assert "activate" not in [verb for verb, _ in bench.host.asked]


async def test_logs_are_the_last_lines_of_a_unit(bench: Bench) -> None:
    """`!logs UNIT N` shows the last N lines; a name without an ending is a service."""
    answer = await bench.say("contributor", "!logs hello-bot 3")

    assert "`hello-bot.service` on `ops-jrz1`:" in answer
    assert answer.splitlines()[1:] == [f"hello-bot.service line {n}" for n in (297, 298, 299)]
    assert "A unit is named like" in await bench.say("contributor", '!logs "sshd --vacuum-size=1"')
    assert "A unit is named like" in await bench.say("contributor", "!logs -- ../../etc/shadow")
    assert [given["unit"] for verb, given in bench.host.asked if verb == "logs"] == ["hello-bot.service"]


async def test_logs_of_a_unit_that_says_nothing(bench: Bench) -> None:
    """Of a unit without entries the nearest known one is named: it may be misspelt."""
    bench.host.journal = {"hellobot.service": ["-- No entries --"], "opsbot.service": []}

    misspelt = await bench.say("contributor", "!logs hellobot")
    silent = await bench.say("contributor", "!logs opsbot")

    assert misspelt == (
        "`hellobot.service` on `ops-jrz1` has said nothing, or is not there. Did you mean `hello-bot.service`?"
    )
    assert silent == "`opsbot.service` on `ops-jrz1` has said nothing, or is not there."


async def test_a_log_is_shown_as_text(bench: Bench) -> None:
    """Nothing in a log steers a terminal, becomes markup or calls anybody, and its end is what is shown."""
    bench.host.journal = {"hello-bot.service": ["x" * 5_000_000, "\x1b[2J<b>@room</b> <!channel> \u202e`rm`", "last"]}

    answer = await bench.say("contributor", "!logs hello-bot 1000")

    first, cut, *rest = answer.splitlines()
    assert first == "`hello-bot.service` on `ops-jrz1`, the last 100 lines:"
    assert cut == "x" * 199 + "…"
    assert rest == ["\ufffd[2J<b>@room</b> <!channel> \ufffd`rm`", "last"]


async def test_generations_tell_what_each_moved(bench: Bench) -> None:
    """Beside a generation stand the projects that it moved, and no others."""
    await bench.say("deployer", "!deploy hello-bot")

    newest = (await bench.say("member", "!generations")).splitlines()[1]

    assert "→ 32" in newest
    assert "hello-bot:" in newest
    assert "web-shop:" not in newest


async def test_a_deployer_restarts_what_is_their_projects(bench: Bench) -> None:
    """A unit is its project's, or the platform's: only admins restart the platform's."""
    assert "was restarted and is active." in await bench.say("deployer", "!restart hello-bot")
    assert "the platform is for admins" in await bench.say("deployer", "!restart opsbot")
    assert "this needs the level deployer" in await bench.say("contributor", "!restart hello-bot")
    assert "was restarted" in await bench.say("admin", "!restart opsbot")
    assert bench.host.restarted == ["hello-bot.service", "opsbot.service"]


async def test_locks_tell_where_one_can_deploy(bench: Bench) -> None:
    """`!locks` shows free hosts, and holds with who, when and why."""
    assert await bench.say("member", "!locks") == "`ops-jrz1`: free\nThere is no lock.\nThere is no hold."
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!rollback --reason too slow")

    assert "hold on hello-bot by deployer, 12:00: too slow" in await bench.say("member", "!locks")


async def test_history_is_on_the_rooms_clock(tmp_path: Path) -> None:
    """`!history` shows what was done, by whom, and when on the clocks of the configured zone."""
    async with Bench.open(tmp_path, timezone="America/New_York") as bench:
        await bench.say("deployer", "!deploy hello-bot")

        answer = await bench.say("contributor", "!history")

    assert "#1 deploy hello-bot main on `ops-jrz1`, for deployer: hello-bot" in answer
    assert "runs on `ops-jrz1`: generation 32" in answer


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "12:00"),
        ({"timezone": "America/New_York"}, "07:00"),
        ({"timezone": "America/New_York", "timezones": {ROOM: "Asia/Tokyo"}}, "21:00"),
        ({"timezone": "America/New_York", "timezones": {"#ops:example.org": "Asia/Tokyo"}}, "21:00"),
    ],
)
async def test_times_are_in_the_rooms_zone(tmp_path: Path, config: dict[str, object], said: str) -> None:
    """A time is said on the clocks of the room, which may be others than the team's; a room is known by any name."""
    async with Bench.open(tmp_path, rooms=[ROOM, "#ops:example.org"], **config) as bench:
        bench.chat.rooms[ROOM] = RoomFacts(room_id=ROOM, names=frozenset({"#ops:example.org"}))
        await bench.say("deployer", "!deploy hello-bot")
        await bench.say("deployer", "!rollback --reason too slow")

        assert f"hold on hello-bot by deployer, {said}: too slow" in await bench.say("member", "!locks")


async def test_a_plugin_that_does_not_load_is_named_to_admins(tmp_path: Path) -> None:
    """A broken plugin stops nothing: `!help` names it to admins, and all other commands are there."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    (folder / "twin.py").write_text(
        'from opsbot import command\n\n@command\nasync def hello() -> str:\n    """Greet."""\n    return "No."\n'
    )
    async with Bench.open(tmp_path, folder) as bench:
        told = await bench.say("admin", "!help")

        assert "The plugin broken.py does not load: ModuleNotFoundError" in told
        assert "The plugin twin.py does not load: ConfigError: There is a command `hello` already." in told
        assert "does not load" not in await bench.say("member", "!help")
        assert await bench.say("member", "!hello") == "Hello, world!"
