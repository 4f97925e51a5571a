"""Where the attempts are made: the running bot before Synapse, sshd and a host, with all who attack it in the rooms."""

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsbot.demo.homeserver import Homeserver, free_port
from opsbot.demo.speaker import Line, Speaker, SpeakerError
from opsbot.demo.stage import Door, Stage
from opsbot.model import Json
from opsbot.standin.machine import Machine
from tests.attack import cast
from tests.attack.attempt import Told
from tests.attack.forger import Forger
from tests.attack.watch import Watch
from tests.onhost.bench import Bench
from tests.onhost.nix_platform import NixMachine
from tests.sshd import Sshd

#: Seconds in which the bot must answer, and a job come to its end.
ANSWER, JOB = 60.0, 180.0
_LOOK = 0.1
_UNITS = ["hello-bot.service", "web-shop.service", "nginx.service", "conduwuit.service", "opsbot.service"]


@dataclass(kw_only=True)
class World:
    """The rooms, the people in them, the bot and its host."""

    folder: Path
    stage: Stage
    machine: Machine
    door: Door
    forger: Forger
    hooks: str
    voices: dict[str, Speaker]
    rooms: dict[str, str]
    #: What one attempt leaves for the next: numbers of jobs, ids of events.
    kept: dict[str, str] = field(default_factory=dict)
    #: The host whose Nix is the real one, while it is there.
    _nix: NixMachine | None = None

    @property
    def nix_machine(self) -> NixMachine:
        """The host whose Nix is the real one."""
        assert self._nix is not None
        return self._nix

    @property
    def nix(self) -> Bench:
        """What is asked of that host."""
        return Bench(self.nix_machine)

    @property
    def nix_pwned(self) -> Path:
        """The file that exists when somebody got a program to run there."""
        return self.folder / "pwned-by-nix"

    @asynccontextmanager
    async def building(self) -> AsyncIterator[Watch]:
        """Start the host whose Nix is the real one; give the look at it from outside."""
        async with NixMachine(self.folder / "nix") as machine:
            self._nix = machine
            self.kept["platform"] = machine.repositories.platform.read("flake.nix")
            yield Watch(machine=machine, pwned=self.nix_pwned, units=_UNITS[:1])

    def watch(self) -> Watch:
        """Return the look at the host from outside."""
        return Watch(machine=self.machine, pwned=self.pwned, units=_UNITS)

    @property
    def pwned(self) -> Path:
        """A file that exists when somebody got a program to run."""
        return self.folder / "pwned"

    async def say(self, who: str, words: str, *, room: str = "ops", **content: Any) -> Told:
        """Say something and wait for the bot's answer."""
        event = await self.send(who, {"msgtype": "m.text", "body": words, **content}, room=room)
        return Told(words=await self.answer(event, room=room), event=event)

    async def ended(self, who: str, words: str, *, room: str = "ops") -> Told:
        """Ask for a job and wait until it is at work no longer."""
        event = (await self.say(who, words, room=room)).event or ""
        return Told(words=await self.until(event, lambda said: not said.startswith("⏳"), room=room), event=event)

    async def send(self, who: str, content: Json, *, room: str = "ops", kind: str = "m.room.message") -> str:
        """Send any event; return its id."""
        return await self.voices[who].send(self.rooms[room], content, kind=kind)

    async def quiet(self, event: str) -> Told:
        """See that the bot passes over an event: something that is said after it is answered, and it is not."""
        await self.say("member", "!hello")
        return Told(words=self.posted(event), event=event)

    def posted(self, event: str) -> str:
        """Return what the bot has written on an event, whether or not it is in the room yet."""
        rows = self.read("SELECT body FROM outbox WHERE cause = ? OR thread = ?", f"answer:{event}", event)
        return "\n".join(body for (body,) in rows)

    async def answered(self, event: str) -> Told:
        """Wait until the bot has written an answer to what has no thread of its own."""
        async with asyncio.timeout(ANSWER):
            while not (words := self.posted(event)):  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(_LOOK)
        return Told(words=words, event=event)

    def read(self, query: str, *values: str) -> list[Any]:
        """Read the bot's memory."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return list(database.execute(query, values))

    def forge(self, sender: str, words: str, *, room: str = "ops", **more: Any) -> str:
        """Have the homeserver tell the bot an event that nobody sent; return its id."""
        event = {
            "type": "m.room.message",
            "event_id": f"$forged-{uuid.uuid4().hex}",
            "sender": sender,
            "origin_server_ts": int(time.time() * 1000),
            "content": {"msgtype": "m.text", "body": words},
            **more,
        }
        self.forger.forge(self.rooms[room], event)
        return str(event["event_id"])

    async def lines(self, room: str = "ops") -> list[Line]:
        """Return what is to be read in a room."""
        return await self.voices[cast.READERS[room]].lines(self.rooms[room])

    def told_on(self, lines: Sequence[Line], event: str) -> str:
        """Return what the bot has said in the thread of an event."""
        return "\n".join(line.body for line in lines if line.thread == event and line.sender.startswith("@opsbot"))

    async def answer(self, event: str, *, room: str = "ops") -> str:
        """Wait until the bot has answered an event, and return the answer as it is then."""
        return await self.until(event, bool, room=room, within=ANSWER)

    async def until(self, event: str, holds: Callable[[str], bool], *, room: str = "ops", within: float = JOB) -> str:
        """Wait until what the bot has said to an event is as it should be, and return it."""
        said, seen = "", 0
        try:
            async with asyncio.timeout(within):
                while True:
                    # The whole room is read only when there is something new: that takes a homeserver its time.
                    if (sent := self._sent(event)) != seen:
                        said, seen = self.told_on(await self.lines(room), event), sent
                        if holds(said):
                            return said
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            raise TimeoutError(f"the last words were {said!r}") from None

    def _sent(self, event: str) -> int:
        """Return how many messages the homeserver has taken that the bot wrote on an event, edits among them."""
        query = "SELECT count(*) FROM outbox WHERE state = 'sent' AND (thread = ? OR cause = ?)"
        ((count,),) = self.read(query, event, f"answer:{event}")
        return int(count)

    def audited(self, event: str) -> list[tuple[str, bool]]:
        """Return who is named in the lines of the audit about an event, and whether they say yes."""
        rows = self.read("SELECT person, allowed FROM audit WHERE event_id = ?", event)
        return [(person, bool(allowed)) for person, allowed in rows]

    @property
    def database(self) -> Path:
        """The bot's memory."""
        return self.stage.config.parent / "opsbot.db"

    async def ssh(self, *words: str, said: bytes = b"", options: Sequence[str] = ()) -> str:
        """Do something with the bot's key, as a thief would, with OpenSSH's own client; return all that was said."""
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.door.port} {self.door.host_key}\n")
        argv = (
            *(
                "ssh",
                "-F",
                "none",
                "-o",
                f"UserKnownHostsFile={known}",
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "BatchMode=yes",
            ),
            *("-o", "ExitOnForwardFailure=yes", *options, "-i", str(self.door.client_key), "-p", str(self.door.port)),
            *("--", f"{self.door.user}@127.0.0.1", *words),
        )
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Away from the terminal of whoever tries this.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(ANSWER):
                out, _ = await process.communicate(said)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise TimeoutError("ssh did not end") from None
        return out.decode(errors="replace")

    async def verb(self, verb: str, **arguments: Any) -> str:
        """Ask the host something with the bot's key; return the last line."""
        return (await self.ssh(verb, said=json.dumps(arguments).encode())).strip().splitlines()[-1]

    async def part(self, job: str, part: str, *statuses: str) -> Json:
        """Wait until a part of a job of the host's has one of these statuses."""
        found: Json = await Bench(self.machine).until(job, part, *statuses, within=JOB)
        return found

    async def configure(self, **keys: Any) -> None:
        """Start the bot anew with other keys in its configuration."""
        await self.stage.stop_bot()
        said = json.loads(self.stage.config.read_text())
        self.stage.config.write_text(json.dumps({**said, **keys}))
        await self.stage.start_bot()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[World]:
    """Build the world."""
    async with AsyncExitStack() as stack:
        homeserver = await stack.enter_async_context(Homeserver(folder / "homeserver", server_name=cast.SERVER))
        machine = await stack.enter_async_context(Machine(folder / "host", settle=1))
        forger = await stack.enter_async_context(Forger(homeserver.url))
        door = _door(stack, machine, folder)
        (folder / "plugins").mkdir()
        (folder / "plugins" / "ring.py").write_text(cast.PLUGIN)
        hooks = f"127.0.0.1:{free_port()}"
        stage = await stack.enter_async_context(
            Stage.open(
                folder / "bot",
                homeserver=homeserver,
                machine=machine,
                door=door,
                more=cast.more(forger.url, hooks, folder / "plugins"),
                secrets={"hook": cast.SECRET},
            )
        )
        voices = dict(stage.people)
        for name, account in cast.OTHERS.items():
            token = await homeserver.register(account, "password")
            voices[name] = await stack.enter_async_context(Speaker.with_token(homeserver.url, token))
        # Whoever has stolen the bot's token speaks as the bot.
        token = (folder / "bot/credentials/token").read_text()
        voices["bot"] = await stack.enter_async_context(Speaker.with_token(homeserver.url, token))
        rooms = {"ops": stage.room_id} | await _rooms(voices, stage.room_id)
        world = World(
            folder=folder,
            stage=stage,
            machine=machine,
            door=door,
            forger=forger,
            hooks=f"http://{hooks}/hooks",
            voices=voices,
            rooms=rooms,
        )
        heard = [rooms[name] for name in cast.HEARD]
        await world.configure(rooms=heard, hooks={"ring": {"room": rooms["ops"], "secret_file": "hook"}})
        await _until_in(world)
        yield world


def _door(stack: AsyncExitStack, machine: Machine, folder: Path) -> Door:
    helper, path = machine.layout.running / "sw/bin/opsbot-host", f"PATH={machine.layout.search_path}"
    command: list[str | Path] = ["/usr/bin/env", path, helper, "--config", machine.host_json, "ssh"]
    sshd = stack.enter_context(Sshd(folder=folder / "sshd", command=command))
    return Door(port=sshd.port, user=sshd.user, host_key=sshd.host_key, client_key=sshd.client_key)


async def _rooms(voices: dict[str, Speaker], ops: str) -> dict[str, str]:
    """Make the true portal of the bridge, one that somebody else has made like it, and one that is not heard."""
    rooms = {}
    for name, maker in (("portal", "bridge"), ("forged", "mallory"), ("aside", "mallory")):
        guests = [voice for key, voice in voices.items() if key in cast.GUESTS[name]]
        room_id = await voices[maker].create_room(*(guest.user_id for guest in guests), cast.BOT, name=name)
        for guest in guests:
            await guest.join(room_id)
        if name != "aside":
            for kind in ("m.bridge", "uk.half-shot.bridge"):
                await voices[maker].set_state(room_id, kind, cast.BRIDGED, key=f"{cast.SERVER}/slack")
        rooms[name] = room_id
    for key in cast.GUESTS["ops"]:
        await voices["admin"].invite(ops, voices[key].user_id)
        await voices[key].join(ops)
    return rooms


async def _until_in(world: World) -> None:
    """Wait until the bot is in every room that it is to hear."""
    async with asyncio.timeout(ANSWER):
        for room in cast.HEARD:
            while True:
                path = f"rooms/{world.rooms[room]}/joined_members"
                try:
                    if cast.BOT in (await world.voices[cast.READERS[room]].ask("GET", path))["joined"]:
                        break
                except SpeakerError:
                    pass
                await asyncio.sleep(_LOOK)
