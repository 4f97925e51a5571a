import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsbot.answers import NotThatHostError
from opsbot.errors import ConfigError, HostError, HostUnreachableError
from opsbot.model import Json
from opsbot.ssh import Address, SshHost
from tests.ssh.proxy import SilentLink
from tests.sshd import Sshd, keygen, kill

PLAYED = Path(__file__).parent / "played_host.py"

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", name="sshd")
def running_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One sshd for all tests of this file; a test that stops it starts it again."""
    with Sshd(folder=tmp_path_factory.mktemp("sshd"), command=[sys.executable, "-I", "-S", PLAYED]) as sshd:
        yield sshd


def host_of(sshd: Sshd, *, patience: float = 15.0, **other: Any) -> SshHost:
    """Return the host behind an sshd, with one thing other than it should be."""
    true: dict[str, Any] = {
        "address": "127.0.0.1",
        "port": sshd.port,
        "user": sshd.user,
        "key": sshd.client_key.read_text().removesuffix("\n"),
        "host_key": sshd.host_key,
    }
    return SshHost("ops-jrz1", Address(**(true | other)), patience=patience)


@asynccontextmanager
async def connected(sshd: Sshd, **other: Any) -> AsyncIterator[SshHost]:
    """Give the host behind an sshd, and close it afterwards."""
    host = host_of(sshd, **other)
    try:
        yield host
    finally:
        await host.close()


@pytest.fixture(name="host")
async def reachable_host(sshd: Sshd) -> AsyncIterator[SshHost]:
    """Give the host behind the sshd of this file."""
    async with connected(sshd) as host:
        yield host


async def everything(lines: AsyncIterator[Json]) -> list[Json]:
    """Return all items of a followed log."""
    return [line async for line in lines]


async def test_a_question_is_answered(host: SshHost) -> None:
    """A verb goes to the host with its arguments, and its result comes back."""
    result = await host.ask("facts", {"units": ["nginx.service", "ü"]})
    assert result["arguments"] == {"units": ["nginx.service", "ü"]}


async def test_the_connection_is_kept(host: SshHost) -> None:
    """All questions go over one connection; none pays for a login but the first."""
    first, second = await host.ask("facts"), await host.ask("facts")
    assert first["connection"] == second["connection"]
    assert first["pid"] != second["pid"]


async def test_a_no_is_an_error_with_its_code(host: SshHost) -> None:
    """When the host says no, its sentence and its code arrive as they are."""
    with pytest.raises(HostError, match=r"^Somebody else switches this host\.$") as caught:
        await host.ask("no")
    assert caught.value.code == "busy"


async def test_no_answer_in_time_means_unknown(host: SshHost) -> None:
    """A host that does not answer in time may have done it: nobody knows. The next question is answered."""
    with pytest.raises(HostUnreachableError, match=r"ops-jrz1 cannot be reached: no answer to slow within 0.3 s\."):
        await host.ask("slow", within=0.3)
    assert await host.ask("facts")


async def test_twenty_questions_at_once(host: SshHost) -> None:
    """More questions than the host has channels wait for each other; they share one login."""
    answers = await asyncio.gather(*(host.ask("facts", {"n": n}) for n in range(20)))
    assert [answer["arguments"]["n"] for answer in answers] == list(range(20))
    assert len({answer["connection"] for answer in answers}) == 1


async def test_channels_that_the_host_does_not_let_go(host: SshHost) -> None:
    """When the host still holds channels that were given up, a new connection takes their place."""
    first = await host.ask("facts")
    for _ in range(2):
        given_up = [host.ask("slow", within=0.5) for _ in range(8)]
        await asyncio.gather(*given_up, return_exceptions=True)
    assert (await host.ask("facts"))["connection"] != first["connection"]


async def test_bytes_that_are_not_utf8_are_replaced(host: SshHost) -> None:
    """A byte that is no UTF-8 costs one letter, not the connection with everything on it."""
    before = await host.ask("facts")
    assert await host.ask("bytes") == "caf\ufffd \ufffd"
    assert (await host.ask("facts"))["connection"] == before["connection"]


async def test_complaints_are_not_the_answer(host: SshHost) -> None:
    """What a program on the host writes to standard error does not stand in the way."""
    assert await host.ask("complains") == "well"


async def test_a_host_that_does_not_listen_is_heard(host: SshHost) -> None:
    """An answer counts also when the host hung up before it read the question."""
    assert await host.ask("deaf", {"note": "x" * 60_000}) == "deaf"


async def test_an_answer_has_a_limit(host: SshHost) -> None:
    """An answer of half a megabyte arrives; one of five is refused, and the connection lives on."""
    assert len(await host.ask("large")) == 500_000
    with pytest.raises(HostError, match="more than 1024 KiB") as caught:
        await host.ask("huge")
    assert caught.value.code == "too-long"
    assert await host.ask("facts")


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        (
            "nologin",
            r"\(it said: This account is currently not available\.\): the SSH user has no shell; give it /bin/sh",
        ),
        ("missing", r"\(it said: sh: 1: opsbot-host: not found\): opsbot-host is not there; import nix/host\.nix"),
        ("shell", r"\(it said: Welcome!\): the SSH user does not run opsbot-host"),
        ("list", r"the SSH user does not run opsbot-host"),
        ("nothing", r"\(exit status 0\): the SSH user does not run opsbot-host"),
    ],
)
async def test_what_is_not_a_managed_host_is_told(host: SshHost, verb: str, sentence: str) -> None:
    """When something else than opsbot-host answers, the error says what it said and what to do; it may pass."""
    with pytest.raises(NotThatHostError, match=sentence) as caught:
        await host.ask(verb)
    assert caught.value.code == "no-helper"


async def test_a_helper_that_was_killed_means_unknown(host: SshHost) -> None:
    """A helper that dies on the way may have done it: nobody knows."""
    with pytest.raises(HostUnreachableError, match="ended before the answer"):
        await host.ask("killed")


async def test_a_log_is_followed_to_its_end(host: SshHost) -> None:
    """A log comes line by line from an offset on; the last item is the job's state, and heartbeats are not shown."""
    lines = await everything(host.follow("j4k2", "short", 100))
    assert lines == [
        {"offset": 100, "text": "one\n"},
        {"offset": 104, "text": "zwei \ufffd\n"},
        {"state": {"job": "j4k2"}},
    ]


async def test_a_log_that_the_host_does_not_know(host: SshHost) -> None:
    """What the host says against a log is an error with its code."""
    with pytest.raises(HostError, match="no such job") as caught:
        await everything(host.follow("j4k2", "refused", 0))
    assert caught.value.code == "unknown"


async def test_a_log_may_end_with_a_state_that_has_much_to_tell(host: SshHost) -> None:
    """The job's state at the end of a log may be as long as any answer: units that failed have much to say."""
    assert len(json.dumps((await everything(host.follow("j4k2", "laden", 0)))[-1])) > 500_000


async def test_a_line_of_a_log_has_a_limit(host: SshHost) -> None:
    """An endless line ends the log with an error; the connection lives on."""
    before = await host.ask("facts")
    with pytest.raises(HostError, match="a line of more than 1024 KiB"):
        await everything(host.follow("j4k2", "long", 0))
    assert (await host.ask("facts"))["connection"] == before["connection"]


async def test_a_log_that_breaks_off_means_unknown(host: SshHost) -> None:
    """A log that ends in the middle of a line, and without the state, is not an end."""
    with pytest.raises(NotThatHostError) as caught:
        await everything(host.follow("j4k2", "cut", 0))
    assert caught.value.code == "no-helper"


async def test_a_silent_log_is_given_up(sshd: Sshd) -> None:
    """When not even the heartbeat comes, following ends: nobody knows."""
    async with connected(sshd, patience=0.5) as host:
        with pytest.raises(HostUnreachableError, match=r"nothing was heard for 0\.5 s"):
            await everything(host.follow("j4k2", "silent", 0))


async def test_a_reader_may_take_its_time(sshd: Sshd) -> None:
    """Only the host's silence counts: a reader that is slow itself loses nothing."""
    async with connected(sshd, patience=2.0) as host:
        lines = host.follow("j4k2", "short", 0)
        assert await anext(lines)
        await asyncio.sleep(2.2)
        assert len(await everything(lines)) == 2


async def test_a_reader_may_go(host: SshHost) -> None:
    """Who stops reading a log gives its channel back."""
    for _ in range(12):
        async for _line in host.follow("j4k2", "endless", 0):
            break
    assert await host.ask("facts", within=5)


async def test_another_host_key_is_told_with_both_fingerprints(sshd: Sshd, tmp_path: Path) -> None:
    """A host with another key than the configured one is not spoken to, and the error names both keys."""
    other = keygen(tmp_path / "other")
    async with connected(sshd, host_key=other) as host:
        with pytest.raises(
            NotThatHostError, match=r"shows the host key SHA256:\S+, but the configuration has SHA256:"
        ) as caught:
            await host.ask("facts")
    assert caught.value.code == "host-key"


async def test_a_host_key_of_another_kind_is_told_too(sshd: Sshd, tmp_path: Path) -> None:
    """Where the configured key is of a kind that the host has not, the key that it has is named."""
    other = keygen(tmp_path / "other", "rsa")
    async with connected(sshd, host_key=other) as host:
        with pytest.raises(NotThatHostError, match="shows the host key SHA256:"):
            await host.ask("facts")


async def test_a_client_key_that_is_not_let_in_is_named(sshd: Sshd, tmp_path: Path) -> None:
    """When the host does not let the bot in, the error names the key to add. It may be let in later: nobody knows."""
    keygen(tmp_path / "other")
    async with connected(sshd, key=(tmp_path / "other").read_text()) as host:
        with pytest.raises(HostUnreachableError, match=r"does not let \w+ in with our key SHA256:\S+; add that key"):
            await host.ask("facts")


@pytest.mark.parametrize("key", ["", "hunter2", "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"])
def test_a_key_that_is_none_is_refused_without_showing_it(sshd: Sshd, key: str) -> None:
    """A credential that holds no private key is a fault of the configuration; it is not repeated."""
    with pytest.raises(ConfigError, match="no private key") as caught:
        host_of(sshd, key=key)
    assert "hunter2" not in str(caught.value)


def test_an_address_does_not_show_its_key(sshd: Sshd) -> None:
    """The private key does not stand in any log of the values around it."""
    address = Address(address="x", key="hunter2", host_key=sshd.host_key)
    assert "hunter2" not in repr(address)


async def test_a_host_that_is_down_is_asked_again_when_it_is_back(sshd: Sshd) -> None:
    """A server that is killed while a log is followed means "unknown"; once it is back, questions are answered."""
    async with connected(sshd) as host:
        before = await host.ask("facts")
        lines = host.follow("j4k2", "endless", 0)
        assert await anext(lines)
        sshd.stop()
        with pytest.raises(HostUnreachableError):
            await everything(lines)
        errors = await asyncio.gather(*(host.ask("facts") for _ in range(20)), return_exceptions=True)
        assert {str(error) for error in errors} == {"ops-jrz1 cannot be reached: Connection refused."}
        assert len({id(error) for error in errors}) == 1
        sshd.start()
        after = await asyncio.gather(*(host.ask("facts") for _ in range(20)))
        assert {answer["connection"] for answer in after} != {before["connection"]}
        assert len({answer["connection"] for answer in after}) == 1


async def test_a_connection_cut_by_the_host_is_opened_again(sshd: Sshd) -> None:
    """When only the connection was cut, as by a restart of sshd, the next question opens another."""
    async with connected(sshd) as host:
        before = await host.ask("facts")
        question = asyncio.create_task(host.ask("slow"))
        await asyncio.sleep(0.1)
        for pid in sshd.sessions():
            kill(pid)
        with pytest.raises(HostUnreachableError):
            await question
        assert (await host.ask("facts"))["connection"] != before["connection"]


async def test_a_silent_link_is_noticed(sshd: Sshd) -> None:
    """A link that carries nothing any more, and closes nothing, ends what waits on it; a new one is opened."""
    async with SilentLink(sshd.port) as link, connected(sshd, port=link.port, patience=0.6) as host:
        before = await host.ask("facts")
        link.silent = True
        with pytest.raises(HostUnreachableError, match=r"lost|closed"):
            await host.ask("slow", within=20)
        link.silent = False
        assert (await host.ask("facts"))["connection"] != before["connection"]


async def test_a_link_that_is_silent_from_the_start(sshd: Sshd) -> None:
    """A host that accepts the connection and says nothing is given up in the time that the question has."""
    async with SilentLink(sshd.port) as link, connected(sshd, port=link.port) as host:
        link.silent = True
        with pytest.raises(HostUnreachableError, match="no answer to facts within"):
            await host.ask("facts", within=0.3)


async def test_the_machines_own_ssh_settings_mean_nothing(sshd: Sshd, tmp_path: Path) -> None:
    """No agent, no known_hosts and no configuration file of the user's changes what the bot does."""
    script = """
import asyncio, sys
from pathlib import Path
from opsbot.ssh import Address, SshHost

async def main(port, user, key, host_key):
    key = Path(key).read_text()
    host = SshHost("h", Address(address="127.0.0.1", port=int(port), user=user, key=key, host_key=host_key))
    print((await host.ask("facts"))["arguments"])
    await host.close()

asyncio.run(main(*sys.argv[1:]))
"""
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "config").write_text("Host *\n  ProxyCommand false\n  User nobody\n  Port 1\n")
    (folder / "known_hosts").write_text(f"@revoked * {sshd.host_key}\n")
    (folder / "id_ed25519").write_text("not a key")
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(PLAYED.parents[2]),
        "SSH_AUTH_SOCK": str(tmp_path / "none"),
    }
    arguments = [str(sshd.port), sshd.user, str(sshd.client_key), sshd.host_key]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"{}\n")
