"""A bot with rooms and people of its own on a homeserver, and what they said and heard."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncssh

from bench.process import BotProcess
from bench.tally import Tally, tally
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.speaker import Speaker
from opsbot.model import Json

OPSBOT, PLAIN = "opsbot", "plain loop"
BOTH = (OPSBOT, PLAIN)
PEOPLE = 5
_CROWDS = count(1)
_ANSWER = re.compile(r"^Hello, (?P<number>\d+)!$")
#: Seconds without any further answer after which no more are expected: a bot that keeps nothing has nothing to come.
_SILENCE = {OPSBOT: 15.0, PLAIN: 4.0}
#: The same for what was said to see whether the bot is there: a bot that keeps nothing misses some of it.
_SETTLED = 2.0
#: Seconds in which an answer would come a second time.
_AFTERMATH = 3.0
#: Seconds between two commands that are said until one is answered.
_KNOCK = 0.1
#: The same as a share of the time waited so far: what was said in vain must be answered, too.
_PATIENCE = 0.1


#: What is measured is a flood, and the plain loop takes all of it.
UNLIMITED = dict.fromkeys(("person", "room", "queued"), 100_000)


class NoAnswerError(Exception):
    """A bot did not answer in time."""


@dataclass(kw_only=True)
class Party:
    """One bot, PEOPLE people and their rooms; each command that is said in it has a number."""

    kind: str
    bot: BotProcess
    account: str
    people: Sequence[Speaker]
    rooms: Sequence[str]
    #: The number of the last command.
    last: int = 0
    #: When each number was heard first, on the clock of `time.monotonic`.
    heard: dict[int, float] = field(default_factory=dict)
    #: What was said last to see whether the bot is there.
    knocks: set[int] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def forget(self) -> None:
        """Let the bot, which must not run, start as if for the first time."""
        for file in self.bot.folder.glob("opsbot.db*"):
            file.unlink()

    async def say(self, person: int = 0, room: int = 0) -> int:
        """Have a person say one command in a room; return its number."""
        self.last += 1
        number = self.last
        await self.people[person].say(self.rooms[room], f"!hello {number}")
        return number

    async def round_trip(self) -> float:
        """Say one command and return the seconds until its answer was heard. Raises NoAnswerError."""
        began = time.monotonic()
        number = await self.say()
        await self.wait_for({number})
        return self.heard[number] - began

    async def first_answer(self, within: float = 60.0) -> float:
        """Say commands until one is answered; return when that was. Raises NoAnswerError."""
        said: set[int] = set()
        began = time.monotonic()
        self.knocks = said
        while not said & self.heard.keys():
            waited = time.monotonic() - began
            if waited > within:
                raise NoAnswerError(f"{self.kind} answered nothing within {within:g} s")
            said.add(await self.say())
            with suppress(NoAnswerError):
                await self.wait_for(said, within=max(_KNOCK, waited * _PATIENCE), any_of=True)
        return min(self.heard[number] for number in said & self.heard.keys())

    async def begin(self) -> None:
        """Start the bot and wait until it is at rest: what was said to wake it is answered, too."""
        await self.bot.start()
        await self.first_answer()
        await self.quiet(self.knocks, silence=_SETTLED)

    async def wait_for(self, numbers: set[int], *, within: float = 30.0, any_of: bool = False) -> None:
        """Wait until the answers to all NUMBERS, or ANY_OF them, were heard. Raises NoAnswerError."""
        try:
            async with asyncio.timeout(within):
                while not (numbers & self.heard.keys() if any_of else numbers <= self.heard.keys()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise NoAnswerError(f"{self.kind} did not answer within {within:g} s") from None

    async def until_heard(self, answers: int) -> None:
        """Wait until so many ANSWERS were heard since the beginning."""
        while len(self.heard) < answers:
            self._news.clear()
            await self._news.wait()

    async def quiet(self, numbers: set[int], *, silence: float | None = None) -> None:
        """Wait until all NUMBERS are answered, or no more answers come; and then for answers that come again."""
        silence = silence or _SILENCE[self.kind]
        while not numbers <= self.heard.keys():
            before = len(self.heard)
            with suppress(NoAnswerError):
                await self.wait_for(numbers, within=silence)
            if len(self.heard) == before:
                break
        await asyncio.sleep(_AFTERMATH)

    async def count(self, numbers: set[int]) -> Tally:
        """Count the answers to commands, as they stand in the rooms."""
        answered: list[int] = []
        for room in self.rooms:
            answered += [number for event in await self.people[0].events(room) if (number := self.number(event))]
        return tally(numbers, answered)

    def number(self, event: Any) -> int | None:
        """Return the number that an event answers to, if it is an answer of this bot."""
        found = _ANSWER.match(str(event["content"].get("body", "")))
        return int(found["number"]) if found and event["sender"] == self.account else None

    async def listen(self) -> None:
        """Hear what the bot says, for ever; the homeserver may go and come back."""
        wanted = {"types": ["m.room.message"], "senders": [self.account], "limit": 1000}
        nothing: Json = {"types": []}
        room = {"rooms": list(self.rooms), "state": nothing, "ephemeral": nothing, "account_data": nothing}
        chosen = {"presence": nothing, "account_data": nothing, "room": room | {"timeline": wanted}}
        since: dict[str, str] = {}
        while True:
            try:
                batch = await self.people[0].ask("GET", "sync", filter=json.dumps(chosen), timeout=20_000, **since)
            except OSError:
                await asyncio.sleep(_KNOCK)
                continue
            now, since = time.monotonic(), {"since": batch["next_batch"]}
            for joined in batch.get("rooms", {}).get("join", {}).values():
                for event in joined["timeline"]["events"]:
                    if number := self.number(event):
                        self.heard.setdefault(number, now)
            self._news.set()


@asynccontextmanager
async def party(
    kind: str, folder: Path, homeserver: Homeserver, *, people: int = PEOPLE, rooms: int = PEOPLE, chatter: int = 0
) -> AsyncIterator[Party]:
    """Bring a bot of a KIND, not yet started, together with PEOPLE in so many ROOMS, each with lines of CHATTER."""
    crowd = next(_CROWDS)
    name = f"bot{crowd}"
    account = f"@{name}:{homeserver.server_name}"
    async with AsyncExitStack() as stack:
        tokens = [await homeserver.register(f"person{crowd}-{number}", "x") for number in range(people)]
        enter = stack.enter_async_context
        team = [await enter(Speaker.with_token(homeserver.url, token)) for token in tokens]
        token = await homeserver.register(name, "x")
        bot = await enter(Speaker.with_token(homeserver.url, token))
        ids = [await _room(team, bot, chatter) for _ in range(rooms)]
        write = {OPSBOT: _write_opsbot, PLAIN: _write_plain}[kind]
        process = BotProcess(folder, write(_folder(folder), homeserver, account, token, team, ids))
        stack.push_async_callback(process.stop)
        made = Party(kind=kind, bot=process, account=account, people=team, rooms=ids)
        listening = asyncio.create_task(made.listen())
        stack.callback(listening.cancel)
        yield made


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


async def _room(people: Sequence[Speaker], bot: Speaker, chatter: int) -> str:
    first, *others = people
    room_id = await first.create_room(*(one.user_id for one in (*others, bot)))
    for one in (*others, bot):
        await one.join(room_id)
    for number in range(chatter):
        await people[number % len(people)].say(room_id, f"Line {number} of an old talk")
    return room_id


def _write_plain(
    folder: Path, homeserver: Homeserver, _account: str, token: str, _people: Sequence[Speaker], _rooms: Sequence[str]
) -> list[str]:
    config = folder / "plain.json"
    config.write_text(json.dumps({"url": homeserver.url, "token": token}))
    return ["bench.plain", "--config", str(config)]


def _write_opsbot(
    folder: Path, homeserver: Homeserver, account: str, token: str, people: Sequence[Speaker], rooms: Sequence[str]
) -> list[str]:
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    key = asyncssh.generate_private_key("ssh-ed25519")
    for name, secret in {"token": token, "ssh-key": key.export_private_key().decode()}.items():
        (credentials / name).touch(mode=0o600)
        (credentials / name).write_text(secret)
    # No command of these scenarios asks the host.
    host = {"address": "127.0.0.1", "port": 9, "key_file": "ssh-key"}
    host["host_key"] = key.export_public_key().decode().strip()
    config = {
        "homeserver": {"url": homeserver.url, "user": account, "token_file": "token"},
        "rooms": list(rooms),
        "people": {f"p{number}": {"level": "member", "accounts": [one.user_id]} for number, one in enumerate(people)},
        "hosts": {"host": host},
        "database": f"sqlite:///{folder / 'opsbot.db'}",
        "credentials": str(credentials),
        "limits": UNLIMITED,
    }
    (folder / "opsbot.yaml").write_text(json.dumps(config))
    return ["opsbot", "run", "--config", str(folder / "opsbot.yaml")]
