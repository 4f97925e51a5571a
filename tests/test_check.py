import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from opsbot import __version__
from opsbot.check import check
from opsbot.demo.homeserver import Homeserver
from tests.forgejo import TOKEN, FakeForgejo
from tests.matrix.proxy import Mood, Proxy
from tests.postgres import PASSWORD, Postgres
from tests.sshd import Sshd, keygen

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config.example.yaml"

FACTS = {
    "version": __version__,
    "protocol": 1,
    "projects": ["hello-bot"],
    "units": {"nginx.service": {"active": "active"}, "ngnix.service": {"active": "not-found"}},
}


TOO_SHORT = "credential hook: is too short for hooks.pushed.secret_file; make one with `openssl rand -hex 32`."
HOOK = '''
from opsbot import hook, schedule


@hook
async def pushed() -> None:
    """Say nothing."""


@hook
async def unwanted() -> None:
    """Say nothing."""


@schedule("0 9 * * *", room="#dev:clarun.xyz")
async def standup() -> None:
    """Say nothing."""
'''


def cli(*arguments: str | Path, environ: dict[str, str] | None = None) -> tuple[int, str]:
    """Run the command line; return its exit status and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "opsbot.cli", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | (environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_example_is_well() -> None:
    """`opsbot check --offline` has nothing against the example, and ends with 0."""
    status, said = cli("check", "--offline", "--config", EXAMPLE)
    assert (status, re.sub(r"\d+ load", "all load", said).splitlines()) == (
        0,
        ["ok    configuration: people 2, hosts 1, projects 1, services 7.", "ok    commands: all load."],
    )


def test_each_fault_is_a_line(tmp_path: Path) -> None:
    """A file with two faults is answered with a line for each, and ends with 1."""
    file = tmp_path / "config.yaml"
    file.write_text(EXAMPLE.read_text().replace("level: deployer", "level: boss").replace('prefix: "!"', "prefx: x"))
    status, said = cli("check", "--offline", environ={"OPSBOT_CONFIG": str(file)})
    assert status == 1
    assert re.sub(r"line \d+", "line N", said).splitlines() == [
        "FAIL  configuration: people.eve.level (line N): must be one of: member, contributor, deployer, admin.",
        "FAIL  configuration: prefx (line N): is not a key here; did you mean prefix?",
    ]


def test_a_rule_about_no_command_is_told(tmp_path: Path) -> None:
    """A rule that names a command which there is not protects nothing, and so is a fault."""
    file = tmp_path / "config.yaml"
    file.write_text(EXAMPLE.read_text().replace("deny: [deploy, rollback]", "deny: [deploy, rolback]"))
    status, said = cli("check", "--offline", "--config", file)
    assert status == 1
    assert "FAIL  rules: rules[1] is about `rolback`, which is no command. Did you mean `rollback`?" in said


def test_plugins_and_configuration_must_agree(tmp_path: Path) -> None:
    """`opsbot check --offline` tells of hooks and schedules that no plugin has, of rooms, and, as a note, of others."""
    (tmp_path / "forge.py").write_text(HOOK)
    file = tmp_path / "config.yaml"
    config = yaml.safe_load(EXAMPLE.read_text()) | {"plugins": [str(tmp_path)]}
    entry = {"room": "#ops:clarun.xyz", "secret_file": "hook"}
    file.write_text(yaml.safe_dump(config | {"hooks": {"pushed": entry, "pusht": entry}}))
    status, said = cli("check", "--offline", "--config", file)
    assert status == 1
    assert said.splitlines()[2:] == [
        "FAIL  plugins: No plugin has the hook pusht of `hooks`. Did you mean `pushed`?",
        (
            "FAIL  plugins: The schedule standup of the plugin forge does not run: #dev:clarun.xyz is not among "
            "`rooms`. Give it another room: `schedules: {standup: {room: …}}`."
        ),
        "ok    plugins: The hook unwanted of the plugin forge answers nobody: `hooks` does not name it.",
    ]


def test_a_file_that_is_missing_is_told() -> None:
    """Without a file, the check says where one may come from."""
    status, said = cli("check", "--offline", "--config", "/none.yaml")
    assert (status, "FAIL  configuration: /none.yaml: there is no such file; copy" in said) == (1, True)


def test_run_says_what_is_wrong_in_words() -> None:
    """`opsbot run` with a wrong configuration ends with 1 and sentences, not with a trace."""
    status, said = cli("run", "--config", "/none.yaml")
    assert (status, said.startswith("opsbot: /none.yaml: there is no such file")) == (1, True)


def test_the_version_is_told() -> None:
    """`opsbot --version` prints the version."""
    assert cli("--version") == (0, f"opsbot {__version__}\n")


def test_the_commands_are_listed(tmp_path: Path) -> None:
    """`opsbot commands` lists what can be said, those of further folders too, and says which does not load."""
    (tmp_path / "wave.py").write_text(
        "from opsbot import command\n\n\n@command\nasync def wave() -> str:\n    'Wave.'\n    return 'o/'\n"
    )
    status, said = cli("commands", tmp_path)
    assert status == 0
    assert re.search(r"^hello \[NAME\] +Greet NAME\.$", said, re.MULTILINE)
    assert re.search(r"^wave +Wave\.$", said, re.MULTILINE)
    status, page = cli("commands", "--markdown", tmp_path)
    assert (status, "\n## wave\n\n`!wave`\n\nWave.\n\nFor everybody.\n" in page) == (0, True)
    (tmp_path / "broken.py").write_text("nonsense")
    status, said = cli("commands", tmp_path)
    assert (status, "The plugin broken.py does not load" in said) == (1, True)


@dataclass(kw_only=True)
class World:
    """Everything that a configuration can name, and the configuration that names it rightly."""

    folder: Path
    config: dict[str, Any]
    forge: FakeForgejo
    facts: Path
    homeserver: Homeserver

    async def lines(self, **changes: Any) -> list[str]:
        """Check the configuration, with some keys other than they should be; return what fails."""
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(self.config | changes))
        found = [str(line) async for line in check(file, {})]
        assert all(line.startswith(("ok    ", "FAIL  ")) for line in found)
        return found

    async def fails(self, **changes: Any) -> list[str]:
        """Return only the lines of what is not well."""
        return [line.removeprefix("FAIL  ") for line in await self.lines(**changes) if line.startswith("FAIL")]

    def secret(self, name: str, text: str) -> None:
        """Write a credential."""
        file = self.folder / "credentials" / name
        file.unlink(missing_ok=True)
        file.write_text(text + "\n")
        file.chmod(0o400)


@pytest.fixture(scope="module", name="sshd")
def running_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An sshd whose host tells the facts that stand in a file."""
    folder = tmp_path_factory.mktemp("sshd")
    facts = folder / "facts.json"
    script = f"import json; print(json.dumps({{'ok': True, 'result': json.load(open({str(facts)!r}))}}))"
    with Sshd(folder=folder, command=[sys.executable, "-I", "-S", "-c", script]) as sshd:
        yield sshd


@pytest.fixture(name="world")
async def true_world(sshd: Sshd, tmp_path: Path, homeserver: Homeserver) -> AsyncIterator[World]:
    """A homeserver with a room, a host behind SSH, a forge, and a configuration that is right about all."""
    name = f"opsbot{os.urandom(4).hex()}"
    token = await homeserver.register(name, "pw")
    room = await asked(homeserver, token, "POST", "createRoom", {"preset": "private_chat"})
    (sshd.folder / "facts.json").write_text(json.dumps(FACTS))
    (tmp_path / "credentials").mkdir()
    async with FakeForgejo() as forge:
        config = {
            "homeserver": {
                "url": homeserver.url,
                "user": f"@{name}:{homeserver.server_name}",
                "token_file": "matrix-token",
            },
            "rooms": [room["room_id"]],
            "people": {"dan": {"level": "admin", "accounts": ["@dan:example.org"]}},
            "hosts": {
                "ops-jrz1": {
                    "address": "127.0.0.1",
                    "port": sshd.port,
                    "user": sshd.user,
                    "key_file": "ssh-key",
                    "host_key": sshd.host_key,
                }
            },
            "projects": {"hello-bot": {"host": "ops-jrz1"}},
            "services": {"web": {"unit": "nginx.service"}},
            "forge": {"url": forge.url, "repository": "team/ops-jrz1", "token_file": "forge-token"},
            "database": f"sqlite:///{tmp_path}/opsbot.db",
            "credentials": str(tmp_path / "credentials"),
        }
        world = World(
            folder=tmp_path, config=config, forge=forge, facts=sshd.folder / "facts.json", homeserver=homeserver
        )
        world.secret("matrix-token", token)
        world.secret("ssh-key", sshd.client_key.read_text().strip())
        world.secret("forge-token", TOKEN)
        yield world


async def asked(homeserver: Homeserver, token: str, method: str, path: str, content: Any = None) -> Any:
    """Ask the homeserver something as the owner of a token."""
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{homeserver.url}/_matrix/client/v3/{path}"
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        session.request(method, address, json=content) as answer,
    ):
        return await answer.json()


async def test_all_is_well(world: World) -> None:
    """Where everything is as configured, each thing has a line that says so."""
    user, url = world.config["homeserver"]["user"], world.homeserver.url
    lines = await world.lines()
    assert [line for line in lines if "commands" not in line] == [
        "ok    configuration: people 1, hosts 1, projects 1, services 1.",
        "ok    credential matrix-token: is there, and nobody else may read it.",
        "ok    credential forge-token: is there, and nobody else may read it.",
        "ok    credential ssh-key: is there, and nobody else may read it.",
        f"ok    database: {world.folder}/opsbot.db can be written.",
        f"ok    homeserver: {url} knows the bot as {user}.",
        f"ok    room {world.config['rooms'][0]}: the bot is in it.",
        f"ok    host ops-jrz1: answers over SSH with its pinned key; opsbot-host {__version__}.",
        "ok    forge: Forgejo 13.0.2+gitea-1.22.0; the token may open pull requests.",
    ]


async def test_rooms_that_the_bot_can_or_cannot_enter(world: World) -> None:
    """A room that is public or to which the bot is invited is well; one that is closed or not there is not."""
    homeserver, user = world.homeserver, world.config["homeserver"]["user"]
    token = await homeserver.register(f"dan{os.urandom(4).hex()}", "pw")
    alias = f"ops{os.urandom(4).hex()}"
    named = {"preset": "public_chat", "room_alias_name": alias}
    public = await asked(homeserver, token, "POST", "createRoom", named)
    invited = await asked(homeserver, token, "POST", "createRoom", {"preset": "private_chat", "invite": [user]})
    closed = await asked(homeserver, token, "POST", "createRoom", {"preset": "private_chat"})
    name = f"#{alias}:{homeserver.server_name}"
    none = f"#none:{homeserver.server_name}"
    ids = [room["room_id"] for room in (public, invited, closed)]
    lines = await world.lines(rooms=[name, *ids, none])
    assert [line for line in lines if " room " in line] == [
        f"ok    room {name}: everybody may join it, and the bot does when it starts.",
        f"ok    room {ids[0]}: everybody may join it, and the bot does when it starts.",
        f"ok    room {ids[1]}: the bot is invited, and joins when it starts.",
        f"FAIL  room {ids[2]}: the bot is not in it and not invited; invite it.",
        f"FAIL  room {none}: there is no room of this name; give the alias to a room, or correct it.",
    ]


async def test_credentials_that_are_not_fit(world: World) -> None:
    """A credential that is missing or open to others is named with its file and the key that wants it."""
    (world.folder / "credentials/forge-token").chmod(0o444)
    (world.folder / "credentials/ssh-key").unlink()
    found = await world.fails()
    assert found[0].startswith("credential forge-token: ")
    assert found[0].endswith("forge-token may be read by everybody: chmod 0400. (forge.token_file names it.)")
    assert "(hosts.ops-jrz1.key_file names it.)" in found[1]
    assert [line.partition(":")[0] for line in found[2:]] == ["host ops-jrz1", "forge"]


async def test_a_homeserver_that_does_not_know_the_bot(world: World) -> None:
    """A wrong token, another's token and a homeserver that is away are told apart."""
    user = world.config["homeserver"]["user"]
    other = await world.homeserver.register(f"other{os.urandom(4).hex()}", "pw")
    world.secret("matrix-token", other)
    [wrong_user] = await world.fails()
    assert re.fullmatch(rf"homeserver: the token is that of @other\S+, but homeserver.user is {user}\.", wrong_user)
    world.secret("matrix-token", "syt_hunter2")
    assert await world.fails() == [
        "homeserver: does not accept the access token; make another, and put it into the credential."
    ]
    async with Proxy(world.homeserver.url) as proxy:
        proxy.mood = Mood.SENSELESS
        other_program = world.config["homeserver"] | {"url": proxy.url}
        [nobody] = await world.fails(homeserver=other_program)
        assert nobody == f"homeserver: the token is that of nobody, but homeserver.user is {user}."
    away = world.config["homeserver"] | {"url": "http://127.0.0.1:1"}
    [unreachable] = await world.fails(homeserver=away)
    assert unreachable.startswith("homeserver: The homeserver cannot be reached")


async def test_a_password_is_not_tried(world: World) -> None:
    """With a password, the check makes no device: it only asks whether passwords are taken."""
    home = world.config["homeserver"] | {"password_file": "matrix-token", "token_file": None}
    lines = await world.lines(homeserver=home)
    assert "ok    homeserver: takes passwords; not tried, for each login makes a device." in lines


async def test_a_bridge_is_an_account(world: World) -> None:
    """The bridge's account must be there."""
    server = world.homeserver.server_name
    none = await world.fails(bridge={"bot": f"@none:{server}", "team": "T0TEAM"})
    assert none == [f"bridge: the homeserver knows no @none:{server}; correct bridge.bot, or start the bridge once."]
    there = await world.fails(bridge={"bot": world.config["homeserver"]["user"], "team": "T0TEAM"})
    assert there == []


async def _connected(_: web.Request) -> web.Response:
    """Answer as a bridge that hears Slack."""
    return web.json_response({"logins": [{"id": "T0TEAM-U0BOT", "state": {"state_event": "CONNECTED"}}]})


async def test_the_self_tests_channel_must_have_a_room(world: World) -> None:
    """A channel of the self-test is well when the bot is in the room that the bridge made for it."""
    bot = world.config["homeserver"]["user"]
    world.secret("bridge", "a shared secret")
    bridge = {"bot": bot, "team": "T0TEAM", "secret_file": "bridge", "test_channel": "C0TEST"}
    # While nobody can invite the app, the bridge alone is what is wrong.
    [away] = await world.fails(bridge=bridge | {"url": "http://127.0.0.1:1"})
    assert "cannot be reached" in away

    app = web.Application()
    app.router.add_get("/_matrix/provision/v3/whoami", _connected)
    async with TestServer(app) as server_of_the_bridge:
        bridge["url"] = str(server_of_the_bridge.make_url(""))
        await _room_of_the_self_test(world, bridge)


async def _room_of_the_self_test(world: World, bridge: dict[str, str]) -> None:
    server = world.homeserver.server_name
    [missing] = await world.fails(bridge=bridge)
    assert missing.startswith("slack: The self-test has no room for its channel, C0TEST: type `/invite @opsbot` there")

    content = {"network": {"id": "T0TEAM"}, "channel": {"id": "T0TEAM-C0TEST", "displayname": "#test"}}
    [room], token = world.config["rooms"], (world.folder / "credentials/matrix-token").read_text().strip()
    await asked(world.homeserver, token, "PUT", f"rooms/{room}/state/m.bridge/{server}%2Fslack", content)
    assert await world.fails(bridge=bridge) == []


async def test_a_host_that_is_not_as_configured(world: World, tmp_path: Path) -> None:
    """Another host key, another protocol, an unknown project and a misspelt unit are each a line."""
    host = world.config["hosts"]["ops-jrz1"]
    [key] = await world.fails(hosts={"ops-jrz1": host | {"host_key": keygen(tmp_path / "other")}})
    assert key.startswith("host ops-jrz1: ops-jrz1 shows the host key SHA256:")
    [away] = await world.fails(hosts={"ops-jrz1": host | {"port": 1}})
    assert away == "host ops-jrz1: ops-jrz1 cannot be reached: Connection refused."

    more = world.config["projects"] | {"other": {"host": "ops-jrz1"}}
    assert await world.fails(projects=more, services={"web": {"unit": "ngnix.service"}}) == [
        "project other: ops-jrz1 does not know it; add it to the host's list of projects.",
        "service web: ops-jrz1 has no unit ngnix.service; correct the name.",
    ]
    world.facts.write_text(json.dumps(FACTS | {"protocol": 2}))
    assert "speaks version 2 of the protocol, and this bot 1" in (await world.fails())[0]
    world.facts.write_text(json.dumps(FACTS | {"version": "9.9.9"}))
    assert any(f"opsbot-host 9.9.9; this is {__version__}." in line for line in await world.lines())


async def test_a_forge_that_is_not_as_configured(world: World) -> None:
    """A forge that is away, and a token that may not write, are told."""
    world.forge.push = False
    assert (await world.fails())[0].startswith("forge: the token may not write to the repository")
    away = world.config["forge"] | {"url": "http://127.0.0.1:1"}
    assert await world.fails(forge=away) == ["forge: The forge cannot be reached: Connection refused."]
    assert await world.fails(forge=None) == []


async def test_places_on_the_disk(world: World) -> None:
    """A folder that is missing, for the database or for commands, is told; so is a plugin that does not load."""
    found = await world.fails(database=f"sqlite:///{world.folder}/none/opsbot.db", plugins=["/none"])
    assert found == [
        "commands: There is no folder /none; correct `plugins`.",
        f"database: there is no folder {world.folder}/none; make it, owned by the bot's user.",
    ]
    (world.folder / "broken.py").write_text("nonsense")
    [broken] = await world.fails(plugins=[str(world.folder)])
    assert broken.startswith("commands: The plugin broken.py does not load")
    (world.folder / "notes").write_text("milk, eggs")
    [other] = await world.fails(database=f"sqlite:///{world.folder}/notes")
    assert other == f"database: {world.folder}/notes is no database of SQLite; name another file, or restore a backup."


async def test_a_database_of_postgresql(world: World, postgres: Postgres) -> None:
    """A PostgreSQL is tried as the bot will use it; each thing that is wrong with it is told with what to do."""
    world.secret("database", PASSWORD)
    url, latin = postgres.database(), postgres.database(encoding="LATIN1")
    name = url.partition("/bot")[2].partition("?")[0]
    found = await world.lines(database=url, database_password_file="database")
    assert any("ok    database: PostgreSQL " in line and f"tables in bot{name}." in line for line in found)
    assert "its encoding is LATIN1" in (await world.fails(database=latin, database_password_file="database"))[0]
    world.secret("database", "wrong")
    assert "password authentication failed" in (await world.fails(database=url, database_password_file="database"))[0]
    postgres.ask("postgres", f"ALTER DATABASE bot{name} OWNER TO postgres")
    world.secret("database", PASSWORD)
    assert await world.fails(database=url, database_password_file="database") == [
        f"database: opsbot may make no tables there: ALTER DATABASE bot{name} OWNER TO opsbot."
    ]


async def test_a_secret_that_can_be_guessed(world: World) -> None:
    """The secret of a hook that is too short is told, with how to make one."""
    (world.folder / "mine").mkdir()
    (world.folder / "mine" / "forge.py").write_text(HOOK)
    room = world.config["rooms"][0]
    more = {"plugins": [str(world.folder / "mine")], "listen": "127.0.0.1:0", "schedules": {"standup": {"room": room}}}
    for secret, found in (("1234567890123456", []), ("123456789012345", [TOO_SHORT])):
        world.secret("hook", secret)
        assert await world.fails(hooks={"pushed": {"room": room, "secret_file": "hook"}}, **more) == found


async def test_the_whole_check_from_the_command_line(world: World) -> None:
    """`opsbot check` prints a line as soon as it knows it, and ends with 0 or 1."""
    await world.lines()
    path = world.folder / "config.yaml"
    status, said = await asyncio.to_thread(cli, "check", "--config", path)
    assert (status, said.count("ok    "), said.count("FAIL")) == (0, 10, 0)
    status, said = await asyncio.to_thread(
        cli, "check", "--config", path, environ={"OPSBOT_FORGE__URL": "http://[::1]:1"}
    )
    assert (status, said.count("FAIL")) == (1, 1)
