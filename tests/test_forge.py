import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from opsbot.errors import ForgeError
from opsbot.forge import Forgejo
from tests.forgejo import TOKEN, FakeForgejo

BRANCH = "deployed/ops-jrz1 ü#1"


@pytest.fixture(name="server")
async def running_forge() -> AsyncIterator[FakeForgejo]:
    """Give a forge with the platform's repository and a branch that waits to be merged."""
    async with FakeForgejo(branches=("main", "release/25.11", BRANCH)) as server:
        yield server


def forge_of(server: FakeForgejo, *, token: str = TOKEN, branch: str = "main") -> Forgejo:
    """Return the edge to a forge."""
    return Forgejo(server.url + "/", "team/ops-jrz1", token, branch=branch, within=2)


async def test_a_pull_request_is_opened_once(server: FakeForgejo) -> None:
    """Asked twice for the same branch, the forge has one request, and both times its address is returned."""
    forge = forge_of(server)
    first = await forge.open_pull_request(branch=BRANCH, title="Deployed hello-bot", body="By eve")
    again = await forge.open_pull_request(branch=BRANCH, title="Deployed hello-bot", body="By eve")
    assert first == again == f"{server.url}/team/ops-jrz1/pulls/1"
    assert server.pulls["main", BRANCH]["title"] == "Deployed hello-bot"


async def test_a_request_goes_to_the_platforms_branch(server: FakeForgejo) -> None:
    """The branch to merge into is the configured one, whatever letters its name has."""
    forge = forge_of(server, branch="release/25.11")
    first = await forge.open_pull_request(branch=BRANCH, title="t", body="")
    assert first == await forge.open_pull_request(branch=BRANCH, title="t", body="")
    assert list(server.pulls) == [("release/25.11", BRANCH)]


async def test_the_forge_tells_its_version(server: FakeForgejo) -> None:
    """The version is the forge's own word."""
    assert await forge_of(server).version() == "13.0.2+gitea-1.22.0"


async def test_a_token_may_push_or_not(server: FakeForgejo) -> None:
    """Whether the token may write is asked without writing."""
    assert await forge_of(server).may_push()
    server.push = False
    assert not await forge_of(server).may_push()


async def test_a_wrong_token_is_told_and_not_shown(server: FakeForgejo) -> None:
    """A token that the forge does not know is an error that does not repeat it."""
    with pytest.raises(ForgeError, match="the forge does not know the token") as caught:
        await forge_of(server, token="hunter2").version()
    assert "hunter2" not in str(caught.value)


async def test_what_the_forge_refuses_has_its_reason(server: FakeForgejo) -> None:
    """A branch that is not there, a missing right or an empty title come back as a sentence."""
    forge = forge_of(server)
    with pytest.raises(ForgeError, match="No pull request for none could be opened: the forge has no such"):
        await forge.open_pull_request(branch="none", title="t", body="")
    with pytest.raises(ForgeError, match=r"could be opened: \[Title\]: Required\."):
        await forge.open_pull_request(branch=BRANCH, title="", body="")
    server.push = False
    with pytest.raises(ForgeError, match="its scope must include write:repository"):
        await forge.open_pull_request(branch=BRANCH, title="t", body="")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(status=502), "HTTP status 502"),
        (web.Response(status=200, text="<html>"), "HTTP status 200"),
        (web.Response(status=200, text="{", content_type="application/json"), "did not answer as one"),
        (web.json_response([], status=200), "HTTP status 200"),
        (web.json_response({"version": 3}, status=200), "did not answer as one"),
        (web.json_response({"message": "wat\nmore"}, status=500), "its version: wat."),
    ],
)
async def test_what_is_no_forge_is_told(server: FakeForgejo, answer: web.Response, said: str) -> None:
    """An answer that no forge gives is an error in words."""
    server.trouble = lambda: answer
    with pytest.raises(ForgeError, match=said):
        await forge_of(server).version()


async def test_the_token_follows_no_redirect(server: FakeForgejo) -> None:
    """A redirect is not followed, so that the token goes nowhere else."""
    async with FakeForgejo() as elsewhere:
        server.trouble = lambda: web.Response(status=302, headers={"Location": f"{elsewhere.url}/api/v1/version"})
        with pytest.raises(ForgeError, match="HTTP status 302"):
            await forge_of(server).version()
        assert elsewhere.asked == []


async def test_a_forge_that_is_away_is_told() -> None:
    """A forge that cannot be reached, hangs up, or says nothing is an error in words."""
    with pytest.raises(ForgeError, match=r"^The forge cannot be reached: Connection refused\.$"):
        await Forgejo("http://127.0.0.1:1", "team/ops-jrz1", TOKEN).version()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(ForgeError, match=r"did not answer within 0\.2 s"):
            await Forgejo(url, "team/ops-jrz1", TOKEN, within=0.2).version()
        await asyncio.sleep(0.3)
