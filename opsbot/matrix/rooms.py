"""Which rooms the bot is in, which it listens to, and what their state says."""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from dataclasses import replace
from time import monotonic

from opsbot.bridged import Portal
from opsbot.errors import ChatRefusedError, ChatUnreachableError
from opsbot.letters import Letters, Memory
from opsbot.matrix.client import Client
from opsbot.matrix.events import FACT_TYPES, Batch, facts_of, listing, mapping, text
from opsbot.matrix.problems import HomeserverUnwellError
from opsbot.matrix.settings import MatrixSettings
from opsbot.model import Post, RoomFacts, Text

log = logging.getLogger(__name__)

_ALIAS = "matrix.alias:"
_INVITE = "matrix.invite:"
#: Seconds between two tries to enter rooms: the first and the longest, and when all is well.
SOON, LATE, SETTLED = 2.0, 60.0, 600.0
#: How often the same sync is asked for because of a room that is not named and cannot be read.
TRIES = 3
#: Seconds between two rooms that are looked over: nobody waits for that, while somebody may wait for an answer.
PACE = 0.02
_ENCRYPTED = (
    "This room is encrypted; opsbot cannot read encrypted messages yet. "
    "Please talk to it in a room that is not encrypted."
)


class Rooms:
    """Enters the configured rooms and those that the right people invite to."""

    def __init__(self, settings: MatrixSettings, *, client: Client, memory: Memory, outbox: Letters) -> None:
        self._settings = settings
        self._client = client
        self._memory = memory
        self._outbox = outbox
        self._aliases: dict[str, str] = {}
        self._joined: set[str] = set()
        self._looked: set[str] = set()
        #: Rooms that are not named: whether the bot listens there.
        self._also: dict[str, bool] = {}
        self._portals: dict[str, Portal | None] = {}
        #: How often the homeserver has answered without being able to tell what a room is.
        self._unread: Counter[str] = Counter()
        self._facts: dict[str, tuple[float, RoomFacts]] = {}
        #: One question to the homeserver at a time for each room, however many wait for its answer.
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._changed = asyncio.Event()
        self._said: set[str] = set()
        #: Why a configured room could not be entered, by its name.
        self.problems: dict[str, str] = {}

    @property
    def listened(self) -> frozenset[str]:
        """The ids of the rooms where commands are taken."""
        return self._named | frozenset(room for room, heard in self._also.items() if heard)

    @property
    def alerts(self) -> str | None:
        """The id of the room where is told what Slack did not take, if it is known."""
        name = self._settings.bridged.alerts
        return name if name.startswith("!") else self._aliases.get(name)

    @property
    def channels(self) -> dict[str, str]:
        """The names of the channels that rooms are, by the rooms' ids."""
        return {room_id: portal.name for room_id, portal in self._portals.items() if portal is not None and portal.name}

    @property
    def _named(self) -> frozenset[str]:
        names = self._settings.rooms
        return frozenset(name for name in names if name.startswith("!")) | frozenset(self._aliases.values())

    async def settle(self) -> bool:
        """Enter every room that is wanted and look around; True if all could be. Raises ChatUnreachableError."""
        entered = await self.enter()
        await self._look_around()
        return entered

    async def enter(self) -> bool:
        """Enter every room that is wanted; True if all of them could be. Raises ChatUnreachableError."""
        if not self._aliases:
            known = await self._memory.recall_all(_ALIAS)
            self._aliases = {alias: room for alias, room in known.items() if alias in self._settings.rooms}
        answer = mapping(await self._client.ask("GET", "joined_rooms"))
        self._joined = set(map(text, listing(answer.get("joined_rooms"))))
        for name in sorted(self._settings.rooms):
            await self._enter(name)
        for room_id in await self._memory.recall_all(_INVITE):
            await self._follow(room_id)
        return not self.problems

    async def run(self) -> None:
        """Keep trying to enter what is wanted, and whenever something changes, until cancelled."""
        wait = SOON
        while True:
            try:
                settled = await self.settle()
            except (ChatUnreachableError, ChatRefusedError):
                settled = False
            wait = SETTLED if settled else min(wait * 2, LATE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
                    wait = SOON
            self._changed.clear()

    async def _enter(self, name: str) -> None:
        try:
            room_id = name if name.startswith("!") else await self._resolve(name)
            if room_id not in self._joined:
                await self._client.ask("POST", "join", name, content={})
                self._joined.add(room_id)
                log.info("joined %s", name)
        except ChatRefusedError as problem:
            self.problems[name] = str(problem)
            self._say_once(f"{name} cannot be entered: {problem}")
        else:
            self.problems.pop(name, None)

    async def _resolve(self, alias: str) -> str:
        room_id = text(mapping(await self._client.ask("GET", "directory", "room", alias)).get("room_id"))
        if self._aliases.get(alias) != room_id:
            await self._memory.remember(_ALIAS + alias, room_id)
            self._aliases[alias] = room_id
        return room_id

    async def _follow(self, room_id: str) -> None:
        if room_id not in self._joined:
            try:
                await self._client.ask("POST", "join", room_id, content={})
                self._joined.add(room_id)
            except ChatRefusedError as problem:
                log.info("the invitation to %s does not hold any more: %s", room_id, problem)
        await self._memory.forget(_INVITE + room_id)

    async def note(self, batch: Batch) -> None:
        """Take in what a sync says about rooms: invitations, leaving, changed state."""
        for room_id, inviter in batch.invites.items():
            await self._invited(room_id, inviter)
        for room_id in batch.left & self._joined:
            log.warning("the bot is no longer in %s", room_id)
            self._joined.discard(room_id)
            self._also.pop(room_id, None)
            self._portals.pop(room_id, None)
            self._changed.set()
        for room_id, timeline in batch.timelines.items():
            if any(mapping(event).get("type") in FACT_TYPES for event in timeline.events):
                self._facts.pop(room_id, None)
                self._also.pop(room_id, None)
                self._portals.pop(room_id, None)
                self._looked.discard(room_id)
                self._changed.set()
            if room_id not in self._also and room_id not in self._named:
                # Now, for what was said there with the first sync is heard, too.
                await self._consider(room_id)

    async def _consider(self, room_id: str) -> None:
        """Decide whether to listen in a room that is not named; what cannot be read there keeps nobody else waiting."""
        try:
            portal = self._settings.bridged.portal_of(await self.facts(room_id))
        except (HomeserverUnwellError, ChatRefusedError) as problem:
            self._unread[room_id] += 1
            if self._unread[room_id] < TRIES:
                raise
            self._say_once(f"{room_id} cannot be read, and nothing is heard from there meanwhile: {problem}")
        else:
            del self._unread[room_id]
            self._also[room_id] = portal is not None and self._settings.bridged.is_heard(portal)

    async def _invited(self, room_id: str, inviter: str) -> None:
        if inviter in self._settings.inviters:
            # An invitation comes once: it is remembered until it is followed.
            await self._memory.remember(_INVITE + room_id, inviter)
            self._changed.set()
        elif room_id in self.listened or self.problems:
            # It may be the room of an alias that could not be resolved yet.
            self._changed.set()
        else:
            self._say_once(f"{inviter} invites the bot to {room_id}; it does not go there")

    async def _look_around(self) -> None:
        """Say in each encrypted room, once for ever, that the bot cannot read there."""
        for room_id in (self.listened & self._joined) - self._looked:
            with contextlib.suppress(ChatRefusedError):
                facts = await self.facts(room_id)
                self._looked.add(room_id)
                if facts.encrypted:
                    words = Text(body=_ENCRYPTED, html=_ENCRYPTED)
                    await self._outbox.post(Post(cause=f"encrypted:{room_id}", room_id=room_id, text=words))
            await asyncio.sleep(PACE)

    async def room_id(self, name: str) -> str:
        """Return the id of a configured room. Raises ChatUnreachableError while nobody knows the id of its alias."""
        known = name if name.startswith("!") else self._aliases.get(name) or await self._memory.recall(_ALIAS + name)
        if known is None:
            raise ChatUnreachableError(f"The homeserver has not told yet which room {name} is.")
        return known

    async def facts(self, room_id: str) -> RoomFacts:
        """Return what the state of a room says, as of a minute ago at most. Raises ChatUnreachableError."""
        async with self._asking[room_id]:
            kept = self._facts.get(room_id)
            if kept is not None and monotonic() - kept[0] < self._settings.facts_age:
                return replace(kept[1], names=self._names(room_id))
            asked = monotonic()
            facts = facts_of(room_id, await self._client.ask("GET", "rooms", room_id, "state"))
            self._facts[room_id] = (asked, facts)
            return replace(facts, names=self._names(room_id))

    async def is_portal(self, room_id: str) -> bool:
        """Tell whether a room is that of a channel of Slack; one that cannot be asked about is none for now."""
        try:
            return await self._portal(room_id) is not None
        except (ChatUnreachableError, ChatRefusedError):
            return False

    async def _portal(self, room_id: str) -> Portal | None:
        if room_id not in self._portals:
            self._portals[room_id] = self._settings.bridged.portal_of(await self.facts(room_id))
        return self._portals[room_id]

    async def portals(self) -> list[Portal]:
        """Return the channels of Slack whose rooms the bot is in. Raises ChatUnreachableError."""
        found: list[Portal] = []
        for room_id in sorted(self._joined):
            if room_id not in self._portals:
                await asyncio.sleep(PACE)
            with contextlib.suppress(ChatRefusedError):
                portal = await self._portal(room_id)
                found += [] if portal is None else [portal]
        return sorted(found, key=lambda one: one.name)

    def _names(self, room_id: str) -> frozenset[str]:
        return frozenset(alias for alias, known in self._aliases.items() if known == room_id)

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            log.warning("%s", words)
