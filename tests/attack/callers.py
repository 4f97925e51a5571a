"""Other programs: those who call hooks, and whoever has the bot's database."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import aiohttp

from opsbot.triggers.signed import signature
from tests.attack.attempt import Attempt, Told
from tests.attack.cast import SECRET
from tests.attack.world import World

_BODY = json.dumps({"who": "mallory"}).encode()


def _posted(what: str, refused: str, *, body: bytes = _BODY, name: str = "ring", **headers: str) -> Attempt:
    async def act(world: World) -> Told:
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        return Told(words=await post(world, name, body, given))

    return Attempt(what=what, by="webhook", act=act, refused=(refused,))


async def post(world: World, name: str, body: bytes, headers: dict[str, str]) -> str:
    """Call a hook; return the status and the words of the answer."""
    url = f"{world.hooks}/{name}"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return f"{answer.status} {(await answer.text()).strip()}"


def _said(lines: list[str], words: str) -> int:
    return sum(words in line for line in lines)


async def _replayed(world: World) -> Told:
    """A delivery that was taken is sent once more, as it was."""
    body = json.dumps({"who": "the postman"}).encode()
    headers = {"X-Forgejo-Signature": signature(body, SECRET), "X-Forgejo-Delivery": "d-1"}
    await post(world, "ring", body, headers)
    again = await post(world, "ring", body, headers)
    await world.quiet("")
    times = _said([line.body for line in await world.lines()], "the postman rang.")
    return Told(words=again if times == 1 else f"it was said {times} times")


async def _commanding(world: World) -> Told:
    """A delivery that is well signed says what would be a command, and HTML."""
    body = json.dumps({"who": "!deploy platform <img src=x> @room"}).encode()
    await post(world, "ring", body, {"X-Forgejo-Signature": signature(body, SECRET)})
    await world.quiet("")
    (line,) = [line for line in await world.lines() if "!deploy platform <img" in line.body]
    answered = world.told_on(await world.lines(), line.event_id)
    return Told(words=answered if "<img" not in line.html else "HTML of the caller's came through")


def _on_database(what: str, do: Callable[[sqlite3.Connection], object], refused: str) -> Attempt:
    async def act(world: World) -> Told:
        copy = copied(world)
        with closing(sqlite3.connect(copy)) as stolen:
            try:
                with stolen:
                    do(stolen)
            except sqlite3.DatabaseError as error:
                return Told(words=f"the database: {error}")
        return Told(words=await verified(world, copy))

    return Attempt(what=what, by="stolen bot database", act=act, refused=(refused,))


def copied(world: World) -> Path:
    """Return a copy of the bot's database."""
    copy = world.folder / "stolen.db"
    with closing(sqlite3.connect(world.database)) as own, closing(sqlite3.connect(copy)) as stolen:
        own.backup(stolen)
    return copy


async def verified(world: World, copy: Path) -> str:
    """Ask `opsbot history --verify` about a copy."""
    said = json.loads(world.stage.config.read_text())
    config = world.folder / "stolen.yaml"
    config.write_text(json.dumps({**said, "database": f"sqlite:///{copy}"}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", "history", "--verify", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out.decode()


def _without_triggers(statement: str) -> Callable[[sqlite3.Connection], object]:
    def do(database: sqlite3.Connection) -> None:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute(statement)

    return do


HOOKS = (
    _posted("a delivery that nobody has signed", "401"),
    _posted(
        "a delivery with another secret's signature",
        "401",
        X_Forgejo_Signature=signature(_BODY, "another-secret-of-16"),
    ),
    _posted("the signature of another body", "401", X_Forgejo_Signature=signature(b"{}", SECRET)),
    _posted("a token that is nearly right", "401", Authorization=f"Bearer {SECRET[:-1]}"),
    _posted("an empty token", "401", Authorization="Bearer "),
    _posted("a hook that the configuration does not name", "404", name="deploy"),
    _posted("a path as the name of a hook", "404", name="..%2F..%2Fmetrics"),
    _posted("two megabytes", "413", body=b"x" * 2_000_000),
    Attempt(what="a delivery that is sent again", by="webhook", act=_replayed, refused=("200",)),
    Attempt(what="a delivery whose words are a command and HTML", by="webhook", act=_commanding, refused=()),
)

DATABASE = (
    _on_database(
        "a line of the audit is changed",
        lambda d: d.execute("UPDATE audit SET person = 'nobody' WHERE id = 1"),
        "the database: ",
    ),
    _on_database(
        "a line of the audit is deleted", lambda d: d.execute("DELETE FROM audit WHERE id = 1"), "the database: "
    ),
    _on_database(
        "the same, with the guards taken away first",
        _without_triggers("UPDATE audit SET person = 'nobody' WHERE id = 2"),
        "The chain is broken at line 2",
    ),
    _on_database(
        "a line is taken out, with the guards taken away first",
        _without_triggers("DELETE FROM audit WHERE id = 3"),
        "The chain is broken at line 4",
    ),
)
