"""Secrets never: canaries are planted wherever a secret can come in, and looked for wherever something comes out."""

import asyncio
import base64
import contextlib
import html
import io
import json
import logging
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncssh
import pytest
from aiohttp import web
from sqlalchemy import select

from opsbot import logs
from opsbot.happened import ChatLost, HostLost
from opsbot.masks import MASK, Masks
from opsbot.store.schema import outbox
from opsbot.testing import Bench
from opsbot.testing.bench import SECRET
from opsbot.triggers.signed import signature
from opsbot.watched import WatchedHost
from opsbot.web.probes import Prober, Target
from tests.sshd import Sshd, free_port
from tests.test_app import Supervisor, bot

WITHIN = 30.0
#: What is no secret, and must be found: the same search finds it.
ORDINARY = "sparrow-4711"
#: A secret that was read, with what HTML, addresses, shells and our own marks make something else of.
KNOWN = "canary.org/4712+<k>&n=="
#: What nobody has read and looks like a secret, each with the part that must not be seen.
LOOKING = {
    "Authorization: Bearer canary4713.tail": "canary4713",
    "GET /sync?access_token=canary4714&timeout=0": "canary4714",
    "git clone https://bot:canary4715@git.example.org/a.git": "canary4715",
    "git clone https://canary4716-0123456789abcdef@git.example.org/a.git": "canary4716",
    "SLACK=xoxb-1-canary4717": "canary4717",
    "token syt_Ym90_canary4718_x": "canary4718",
    "PGPASSWORD=canary4719 psql": "canary4719",
    '{"access_token": "canary4720"}': "canary4720",
    "Authorization: token canary4721canary4721canary4721": "canary4721",
    "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary4722\n-----END OPENSSH PRIVATE KEY-----": "canary4722",
}
CANARIES = (KNOWN, *LOOKING.values())
SAID = [f"{ORDINARY} {KNOWN}", *LOOKING]


def forms(word: str) -> set[str]:
    """Return a word in all the ways in which it could stand somewhere."""
    encoded = base64.b64encode(word.encode()).decode().rstrip("=")[:-1]
    return {word, quote(word, safe=""), quote(word), html.escape(word), html.escape(word, quote=False), encoded}


def leaks(outputs: Mapping[str, str], canaries: Iterable[str]) -> list[str]:
    """Return where which canary is seen, also between tags and behind JSON's and HTML's signs."""
    found = []
    for place, said in outputs.items():
        bare = html.unescape(re.sub(r"</?(?:code|pre|b|br)>", "", said))
        for canary, form in ((one, form) for one in canaries for form in forms(one)):
            for words in (one for one in (said, bare) if form in one):
                at = words.index(form)
                found.append(f"{canary} in {place}: {words[max(at - 60, 0) : at + 60]!r}")
    return found


def dumped(database: Path) -> str:
    """Return everything that a database of SQLite holds, its free pages too."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = "\n".join(connection.iterdump())
        connection.execute("VACUUM")
    return rows


def test_the_search_finds_what_is_there() -> None:
    """A canary is found as it is, in an address, in HTML, between our own marks and in base64."""
    for shape in (KNOWN, quote(KNOWN, safe=""), html.escape(KNOWN), "<code>canary.org</code>/4712+&lt;k&gt;&amp;n=="):
        assert leaks({"here": f"it is {shape}."}, CANARIES)
    assert leaks({"here": base64.b64encode(f"{KNOWN}!".encode()).decode()}, CANARIES)
    assert leaks({"here": "nothing of it"}, CANARIES) == []


@pytest.fixture
def log() -> Iterator[tuple[Masks, io.StringIO]]:
    """The bot's log as JSON, into a text, with what it masks."""
    root, stubborn = logging.getLogger(), logging.getLogger("dbos")
    before = root.handlers[:], root.level, stubborn.handlers[:], stubborn.propagate
    masks, stream = Masks(), io.StringIO()
    logs.begin("json", masks, stream=stream)
    yield masks, stream
    logging.captureWarnings(capture=False)
    root.handlers, level, stubborn.handlers, stubborn.propagate = before
    root.setLevel(level)


PLUGIN = '''
import json
from pathlib import Path

from opsbot import Delivery, command, hook

SAID = json.loads(Path(__file__).with_name("said.json").read_text())


@command
async def tell(what: str = "") -> str:
    """Tell a secret."""
    return SAID[int(what)]


@command
async def fall(what: str = "") -> str:
    """Break over a secret."""
    raise RuntimeError(SAID[int(what)])


@hook
async def pushed(ctx: Delivery) -> str:
    """Say what came, with its headers."""
    return f"{ctx.body.decode()} {dict(ctx.headers)}"
'''


def write_plugin(folder: Path) -> None:
    """Write a plugin that cannot hold its tongue."""
    (folder / "told.py").write_text(PLUGIN)
    (folder / "said.json").write_text(json.dumps(SAID))


async def converse(bench: Bench) -> dict[str, str]:
    """Say and have said whatever a secret can be in; return what could be read outside meanwhile."""
    for number, said in enumerate(SAID):
        word = said.replace("\n", " ")
        bench.host.journal = {"nginx.service": said.split("\n")}
        bench.host.endings = {
            "prepare": {
                "status": "failed",
                "derivation": None,
                "tail": said.split("\n"),
                "error": {"code": "build", "message": word},
            }
        }
        await bench.say("admin", f"!hello '{word}'")
        await bench.say("admin", f"!{word}")
        await bench.say("admin", f"!deploy '{word}'")
        await bench.say("admin", f"!deploy hello-bot --reason '{word}'")
        await bench.say("admin", f"!lock hello-bot '{word}'")
        await bench.say("admin", "!locks")
        await bench.say("admin", "!unlock hello-bot")
        await bench.say("admin", "!logs nginx")
        await bench.say("admin", "!status")
        await bench.say("admin", "!history")
        await bench.say("admin", f"!tell {number}")
        await bench.say("admin", f"!fall {number}")
        body = said.encode()
        await bench.post("pushed", body, headers={"x-forgejo-signature": signature(body, SECRET), "x-note": word})
        await bench.post("pushed", body, headers={"authorization": f"Bearer {word}"})
    letters = await bench.database.read(lambda c: [(row.body, row.html) for row in c.execute(select(outbox))])
    return {
        "the words of messages": "\n".join(body for body, _ in letters),
        "the HTML of messages": "\n".join(words for _, words in letters),
        "the room": "\n".join(bench.room.values()),
        "the audit": "\n".join(map(str, await bench.site.audit.after(0, limit=1000))),
        "the jobs": "\n".join(map(str, await bench.site.ledger.jobs(limit=1000))),
    }


async def test_no_secret_is_said_kept_or_logged(tmp_path: Path, log: tuple[Masks, io.StringIO]) -> None:
    """A secret in an argument, a build log, a unit's log, an error, a traceback or a hook is neither said nor kept."""
    write_plugin(tmp_path)
    masks, stream = log
    async with Bench.open(tmp_path, tmp_path) as bench:
        masks.learn(KNOWN)
        bench.masks.learn(KNOWN)
        outputs = await converse(bench)
    outputs |= {"the log": stream.getvalue(), "the database": dumped(tmp_path / "opsbot.db")}

    assert leaks(outputs, CANARIES) == []
    for place, said in outputs.items():
        assert ORDINARY in said, f"the search finds nothing in {place}"


async def test_a_host_tells_no_secret(log: tuple[Masks, io.StringIO]) -> None:
    """What a host says of its programs, and its own sentences, are without secrets before anything is done with it."""

    class Telling:
        name = "ops-jrz1"

        async def ask(self, verb: str, arguments: object = None, *, within: float = 30.0) -> object:
            del verb, arguments, within
            return {"lines": SAID, "units": {"x.service": ORDINARY}, "error": {"message": SAID[0]}}

        async def follow(self, job: str, log: str, offset: int, *, seconds: int = 60) -> AsyncIterator[object]:
            del job, log, offset, seconds
            yield {"text": "\n".join(SAID)}

        async def close(self) -> None:
            """Nothing is open."""

    masks, stream = log
    masks.learn(KNOWN)
    host = WatchedHost(Telling(), logs.note, shown=masks.over)
    answer = await host.ask("logs")
    text = [line async for line in host.follow("j", "prepare", 0)]
    logs.note(HostLost(host="ops-jrz1", why=f"{ORDINARY} {SAID}"))
    logs.note(ChatLost(why=str(SAID)))

    outputs = {"an answer": str(answer), "a log": str(text), "the bot's log": stream.getvalue()}
    assert leaks(outputs, CANARIES) == []
    assert all(ORDINARY in said for said in outputs.values())
    assert answer["units"] == {"x.service": ORDINARY}


class Parrot:
    """A server that answers every request with an error in which all is repeated that was sent."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Say back what was said."""
        said = f"{dict(request.headers)} {request.path_qs} {await request.text()}"
        self.heard.append(said)
        words = f"{ORDINARY} {request.headers.get('Authorization', '')} {said}"
        return web.json_response({"errcode": "M_UNKNOWN", "error": words, "message": words}, status=500)


@pytest.fixture
async def parrot() -> AsyncIterator[tuple[Parrot, str]]:
    """A parrot, and its address."""
    bird = Parrot()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", bird.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield bird, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


#: Each credential that a configuration can name, with a canary in it.
SECRETS = {
    "matrix-token": "syt-canary5001-token",
    "bridge-secret": "canary5002-of-the-bridge",
    "slack-bot-token": "xoxb-canary5003",
    "slack-app-token": "xapp-canary5004",
    "forge-token": "canary5005f0rge",
    "hook": "canary5006-of-a-hook",
    "database-password": "canary5007 with/odd+signs",
}
#: Without PostgreSQL the bot does not read it, and cannot know it.
ELSEWHERE = "database-password"
HEADERS = {"Authorization": f"Bearer {SECRETS['hook']}"}


def configure(folder: Path, url: str, sshd: Sshd | None) -> tuple[Path, str]:
    """Write a configuration that names every credential there is; return it, and a line of its SSH key."""
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    own = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    key = own if sshd is None else sshd.client_key.read_text()
    for name, secret in {**SECRETS, "ssh-key": key}.items():
        (credentials / name).touch(mode=0o600)
        (credentials / name).write_text(secret)
    (folder / "mine").mkdir()
    write_plugin(folder / "mine")
    config = {
        "homeserver": {"url": url, "user": "@opsbot:example.org", "token_file": "matrix-token"},
        "rooms": ["!ops:example.org"],
        "people": {"dan": {"level": "admin", "accounts": ["@dan:example.org"]}},
        "bridge": {
            "bot": "@slackbot:example.org", "team": "T0TEAM", "url": url, "secret_file": "bridge-secret",
            "bot_token_file": "slack-bot-token", "app_token_file": "slack-app-token",
        },
        "hosts": {
            "ops": {
                "address": "127.0.0.1", "port": free_port() if sshd is None else sshd.port, "key_file": "ssh-key",
                "user": "opsbot" if sshd is None else sshd.user,
                "host_key": asyncssh.import_private_key(own).export_public_key().decode().strip()
                if sshd is None else sshd.host_key,
            }
        },
        "forge": {"url": url, "repository": "team/ops", "token_file": "forge-token"},
        "hooks": {"pushed": {"room": "!ops:example.org", "secret_file": "hook"}},
        "plugins": [str(folder / "mine")],
        "listen": f"127.0.0.1:{free_port()}",
        "database": f"sqlite:///{folder / 'opsbot.db'}",
        "credentials": str(credentials),
    }  # fmt: skip
    path = folder / "opsbot.yaml"
    path.write_text(json.dumps(config))
    return path, key.splitlines()[2]


async def program(config: Path, *arguments: str, **environment: str) -> str:
    """Run opsbot's command line to its end; return all that it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", *arguments, "--config", str(config)),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 2 * WITHIN)
    finally:
        if process.returncode is None:
            process.kill()
    return said.decode()


async def pages(listen: str) -> dict[str, str]:
    """Return what the bot's own pages show, and what it answers to hooks."""
    found = {}
    async with aiohttp.ClientSession() as session:
        for name in ("healthz", "readyz", "metrics", "nowhere"):
            async with session.get(f"http://{listen}/{name}") as answer:
                found[name] = await answer.text()
        for headers in (HEADERS, {"Authorization": "Bearer canary4713.tail"}):
            body = " ".join((ORDINARY, *(SECRETS[name] for name in SECRETS if name != ELSEWHERE), *LOOKING))
            async with session.post(f"http://{listen}/hooks/pushed", data=body, headers=headers) as answer:
                found[f"a hook's answer {answer.status}"] = await answer.text()
    return found


async def test_a_service_tells_no_secret(parrot: tuple[Parrot, str]) -> None:
    """What a service says of itself is without secrets before a table cuts it."""
    masks = Masks()
    masks.learn("Python")
    targets = {"web": Target(http=parrot[1], expect=500, version="header:Server")}
    async with Prober(targets, shown=masks.over) as prober:
        probe = await prober.probe("web")

    assert probe is not None
    assert probe.version.startswith(f"{MASK}/")


async def run(config: Path, form: str, supervisor: Supervisor) -> dict[str, str]:
    """Run the bot until it has asked its homeserver, and call it; return what could be seen of it."""
    listen = json.loads(config.read_text())["listen"]  # noqa: ASYNC240 - a small file, once
    async with bot(config, supervisor, "--log", form) as process, asyncio.timeout(2 * WITHIN):
        await supervisor.hears("READY=1")
        seen = await pages(listen)
        while seen["readyz"].strip().endswith("taken in yet."):
            seen |= await pages(listen)
            await asyncio.sleep(0.1)
        proc = Path(f"/proc/{process.pid}")
        seen |= {name: (proc / name).read_bytes().decode(errors="replace") for name in ("cmdline", "environ")}
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    return {f"{place} of {form}": words for place, words in {**seen, "log": said.decode()}.items()}


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    """Something that the bot may notify."""
    made = Supervisor(tmp_path)
    yield made
    made.close()


async def test_a_running_bot_shows_none_of_its_credentials(
    tmp_path: Path, supervisor: Supervisor, parrot: tuple[Parrot, str]
) -> None:
    """Whatever homeserver, bridge, forge and callers repeat of what they are sent, no output has a credential in it."""
    config, line = configure(tmp_path, parrot[1], None)
    outputs: dict[str, str] = {}
    for form in ("json", "text"):
        outputs |= await run(config, form, supervisor)
    address = f"postgresql://opsbot@127.0.0.1:{free_port()}/opsbot"
    elsewhere = {"OPSBOT_DATABASE": address, "OPSBOT_DATABASE_PASSWORD_FILE": ELSEWHERE}
    outputs |= {
        "check": await program(config, "check"),
        "check of PostgreSQL": await program(config, "check", **elsewhere),
        "history of PostgreSQL": await program(config, "history", **elsewhere),
        "slack login": await program(config, "slack", "login"),
        "history": await program(config, "history", "--json"),
        "a wrong configuration": await program(config, "check", "--offline", OPSBOT_HOSTS=f"[{ORDINARY}]"),
        "the database": dumped(tmp_path / "opsbot.db"),
    }

    assert leaks(outputs, (*SECRETS.values(), *LOOKING.values(), line)) == []
    heard = "\n".join(parrot[0].heard)
    for name in ("matrix-token", "bridge-secret", "forge-token"):
        assert SECRETS[name] in heard, f"nobody was sent {name}"
    for place in ("check", "readyz of json", "log of json", "log of text", "slack login", "the database"):
        assert ORDINARY in outputs[place], f"the search finds nothing in {place}"
