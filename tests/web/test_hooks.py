import asyncio
import json
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from opsbot.hooks import Hooks
from opsbot.testing import Bench
from opsbot.testing.bench import SECRET
from opsbot.triggers.signed import signature
from opsbot.web.hooks import routes, standing_by
from opsbot.web.server import LARGEST, serve

PLUGIN = '''
from opsbot import Delivery, hook


@hook
async def echo(ctx: Delivery) -> str:
    """Say how much came."""
    return f"{len(ctx.body)} {ctx.event}"
'''


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[Hooks]:
    """The hooks of a bot."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "echo.py").write_text(PLUGIN)
    async with Bench.open(tmp_path, tmp_path / "mine") as bench:
        yield Hooks(bench.site, {"echo": SECRET})


@pytest.fixture
async def address(hooks: Hooks) -> AsyncIterator[str]:
    """Where they are on a real server."""
    async with serve("127.0.0.1:0", routes(hooks)) as place:
        yield f"http://{place}/hooks"


async def post(url: str, body: bytes, **headers: str) -> tuple[int, str, str]:
    """Send a body; return the status, the sentence, and what the answer wants of the sender."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.post(url, data=BytesIO(body), headers=names) as answer:
        wants = answer.headers.get("WWW-Authenticate") or answer.headers.get("Retry-After") or ""
        return answer.status, (await answer.text()).strip(), wants


async def test_a_signed_delivery_is_taken(address: str) -> None:
    """What Forgejo sends is taken, whatever letters its headers are written in."""
    body = json.dumps({"ref": "refs/heads/main"}).encode()
    given = {"X_Forgejo_Signature": signature(body, SECRET), "X_FORGEJO_EVENT": "push"}

    assert await post(f"{address}/echo", body, **given) == (200, "It is said.", "")


async def test_a_stranger_is_told_what_is_wanted(address: str) -> None:
    """Without proof the status is 401; a hook that is not granted is 404; another method is 405."""
    assert await post(f"{address}/echo", b"x") == (401, "Neither a right signature nor the right token.", "Bearer")
    assert (await post(f"{address}/none", b"x"))[0] == 404
    assert (await post(f"{address}/echo/more", b"x"))[0] == 404
    assert (await post(f"{address}/..%2Fmetrics", b"x"))[0] == 404
    async with aiohttp.ClientSession() as session, session.get(f"{address}/echo") as answer:
        assert answer.status == 405


async def test_a_body_has_an_end(address: str) -> None:
    """A body of a megabyte is taken, a byte more is answered with 413, also when its length is not told before."""
    whole = b"x" * LARGEST
    assert (await post(f"{address}/echo", whole, Authorization=f"Bearer {SECRET}"))[0] == 200
    assert await post(f"{address}/echo", whole + b"x", Authorization=f"Bearer {SECRET}") == (
        413,
        "A body has at most 1024 KiB.",
        "",
    )

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LARGEST // 4096 + 1):
            yield b"x" * 4096

    async with aiohttp.ClientSession() as session, session.post(f"{address}/echo", data=endless()) as answer:
        assert answer.status == 413


async def test_a_caller_who_says_nothing_is_let_go(hooks: Hooks) -> None:
    """A body that does not come is not waited for: the answer is 408."""
    async with serve("127.0.0.1:0", routes(hooks, within=0.1)) as place:
        host, _, port = place.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /hooks/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        async with asyncio.timeout(30):
            assert b"408" in await reader.readline()
        writer.close()


async def test_a_bot_that_stands_by_sends_callers_away() -> None:
    """A caller of a bot that only stands by is told to come again."""
    async with serve("127.0.0.1:0", standing_by()) as place:
        assert await post(f"http://{place}/hooks/echo", b"x") == (503, "This bot stands by.", "30")
