"""What the fuzzing has found; docs/security.md tells of each."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import text

from opsbot.bridge.provisioning import Provisioning, read_login
from opsbot.config import BadConfigError, parse
from opsbot.errors import BridgeError, ConfigError, ForgeError
from opsbot.forge import Forgejo
from opsbot.history import history
from opsbot.matrix.client import read_answer
from opsbot.matrix.problems import AnswerError
from opsbot.onhost import files, git, lockfile, units
from opsbot.onhost.config import parse as parse_host
from opsbot.onhost.errors import HostError
from opsbot.store.address import place
from opsbot.testing import Bench
from opsbot.testing.bench import SECRET
from opsbot.triggers.signed import signature
from tests.fuzz.hosts import circle, diamonds, lock_of
from tests.fuzz.sources import BOMB, SMALL

DEEP = "[" * 100_000


@contextlib.asynccontextmanager
async def answering(body: str) -> AsyncIterator[str]:
    """Answer every request with one body, as JSON; give the server's address."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_form_need_not_be_ascii(tmp_path: Path) -> None:
    """What curl calls a form and is JSON with an umlaut in it reaches its hook."""
    (tmp_path / "tell.py").write_text(
        "from opsbot import Delivery, hook\n\n\n@hook\nasync def tell(ctx: Delivery) -> str:\n"
        '    """Tell."""\n    return str(ctx.json()["said"])\n'
    )
    body = json.dumps({"said": "Grüße"}, ensure_ascii=False).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-forgejo-signature": ""}
    async with Bench.open(tmp_path, tmp_path) as bench:
        headers["x-forgejo-signature"] = signature(body, SECRET)
        posted = await bench.post("tell", body, headers=headers)

    assert (posted.status, posted.said) == (200, "Grüße")


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x1c", "\x0b", "\r"])
def test_no_sign_in_a_subject_hides_its_commit(sign: str) -> None:
    """A commit whose subject has what some take for the end of a line is on the list that people agree to."""
    (found,) = git.parse_log(f"{'a' * 40}\0harmless{sign}reboot\0eve{sign}x\n")

    assert found["subject"] == f"harmless{sign}reboot"


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x1c", "\x0b"])
def test_no_sign_in_a_unit_hides_what_follows(sign: str) -> None:
    """Two units that differ behind what some take for the end of a line differ."""
    old, new = (units.parse_unit(f"[Service]\nExecStart=/bin/x{sign}{rest}\n") for rest in ("", "--reboot"))

    assert units.compare(old, new) is units.Difference.RESTART


def test_a_lock_of_many_ways_is_compared_at_once() -> None:
    """A lock with more ways through it than anybody walks is compared like any other."""
    lockfile.check_moved(diamonds(60), diamonds(60), "shop", "e" * 40)
    with pytest.raises(HostError, match="other inputs"):
        lockfile.check_moved(diamonds(60), diamonds(59), "shop", "e" * 40)


def test_inputs_that_follow_in_a_circle_are_refused() -> None:
    """A lock in which two inputs follow each other is no lock to put a pin into."""
    with pytest.raises(HostError, match="follow the same inputs"):
        lockfile.graft(lock_of("a" * 40), circle(), "hello-bot")


@pytest.mark.parametrize(
    "broken",
    [
        DEEP,
        '{"nodes": {"root": {"inputs": {"x": "gone"}}}, "root": "root", "version": 7}',
        '{"nodes": {"root": [], "x": 1}, "root": "root", "version": 7}',
        '{"nodes": {"root": {"inputs": {"x": [1]}}}, "root": "root", "version": 7}',
    ],
    ids=["deep", "dangling", "lists", "numbers"],
)
def test_a_lock_is_made_of_nodes(broken: str) -> None:
    """A lock that names what it does not have, or nests too deep, is refused when it is read."""
    with pytest.raises(HostError, match="cannot be read"):
        lockfile.parse(broken)


@pytest.mark.parametrize("url", [None, 7, "https://x/ --upload-pack=x", "https://x/#\n", "https://ö/"])
def test_an_input_names_an_address(url: object) -> None:
    """The address of an input is one line of signs that an address has, or the pin is refused."""
    with pytest.raises(HostError, match="stand in an address"):
        lockfile.override_url({"type": "git", "url": url}, "refs/heads/main", "a" * 40)


@pytest.mark.parametrize(
    "said", [BOMB, DEEP, "a: !!bool x", "a: !!timestamp x", "a: !!int ''"], ids=["bomb", "deep", "bool", "time", "int"]
)
def test_what_is_no_configuration_is_said_so(said: str) -> None:
    """Aliases that multiply, nesting without end and values that are none are told in one line, at once."""
    with pytest.raises(BadConfigError) as caught:
        parse(said)

    assert len(str(caught.value)) < 300


def test_a_variable_may_hold_anything() -> None:
    """A variable that looks like a list and cannot be read as one is told like any other wrong value."""
    for said in ("[2020-99-99]", "[!!bool x]", DEEP):
        with pytest.raises(BadConfigError, match="rooms"):
            parse(SMALL, {"OPSBOT_ROOMS": said})


def test_a_hosts_configuration_may_nest_too_deep() -> None:
    """A host's configuration that nests without end is refused like any other that is wrong."""
    with pytest.raises(HostError, match="this is not JSON"):
        parse_host(DEEP, Path("/etc/opsbot/host.json"))


@pytest.mark.parametrize("rows", ["1: FLOCK WRITE", "1: FLOCK  ADVISORY  WRITE 1 x:y:z 0 EOF", "²: FLOCK"])
def test_a_row_of_locks_may_say_anything(rows: str) -> None:
    """A row of the kernel's that cannot be read is no lock."""
    assert not files.lists_lock(rows, 0xFE01, 131)


@pytest.mark.parametrize("since", [10**400, float("nan"), float("inf"), -1, True, "1"])
def test_a_login_may_say_anything(since: object) -> None:
    """A login of the bridge since no time that there is, or with a word of any length, is read, and cut."""
    found = read_login({"id": 7, "state": {"timestamp": since, "message": "x" * 5000}})

    assert 0 <= found.since <= 1
    assert (found.id, len(found.message)) == ("", 200)


def test_an_errors_code_may_be_of_any_length() -> None:
    """A homeserver's error with a code of any length is a problem that fits a line."""
    with pytest.raises(AnswerError) as caught:
        read_answer(400, "", json.dumps({"errcode": "x" * 5000}).encode())

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("address", ["postgresql://opsbot:db.example.org/opsbot", "postgresql://x@db:port/opsbot"])
def test_a_databases_port_is_a_number(address: str) -> None:
    """An address of a database whose port is none is told with what an address looks like."""
    with pytest.raises(ConfigError, match="is no address"):
        place(address)


def test_a_databases_address_can_be_printed() -> None:
    """An address with half a character in it is refused when it is read."""
    with pytest.raises(ConfigError, match="is no address"):
        place("sqlite:////\ud800x.db")


async def test_an_answer_may_nest_too_deep() -> None:
    """A bridge or a forge whose answer nests without end is told as what is none."""
    async with answering(DEEP) as url:
        with pytest.raises(BridgeError, match="is not the bridge"):
            await Provisioning(url, "secret", "@opsbot:example.org").logins()
        with pytest.raises(ForgeError, match="did not answer as one"):
            await Forgejo(url, "team/x", "token").version()


async def test_whatever_is_written_into_the_audit_breaks_its_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that somebody has filled with what no line has is named as the one where the chain is broken."""
    async with Bench.open(tmp_path) as bench:
        await bench.say("member", "!hello")
        await bench.say("member", "!status")
        async with asyncio.timeout(10):
            await bench.database.write(lambda c: c.execute(text("DROP TRIGGER audit_stays_update")))
            await bench.database.write(
                lambda c: c.execute(text("UPDATE audit SET at = 'never', more = 'x' WHERE id = 2"))
            )
    config = tmp_path / "config.yaml"
    config.write_text(SMALL)

    found = await history(
        config, {"OPSBOT_DATABASE": f"sqlite:///{tmp_path / 'opsbot.db'}"}, as_json=False, verify=True
    )

    assert found == 1
    assert "broken at line 2" in capsys.readouterr().out
