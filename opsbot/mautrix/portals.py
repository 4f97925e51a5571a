"""Rooms that are channels, and ghosts that are members."""

from opsbot.mautrix.config import Config
from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.memory import Memory
from opsbot.mautrix.model import Json, Login, SlackError
from opsbot.mautrix.slack import Slack

_VERSION = "12"
#: Who has which power in a portal; of the workspace's space nobody but the bridge.
_POWERS = {
    "ban": 50,
    "events": {"m.room.encryption": 100, "m.room.server_acl": 100, "m.room.tombstone": 100},
    "events_default": 0,
    "invite": 0,
    "kick": 50,
    "redact": 50,
    "state_default": 50,
    "users": {},
    "users_default": 0,
}


class Portals:
    """Makes rooms and ghosts for one login, once each."""

    def __init__(self, config: Config, memory: Memory, home: Homeserver, *, login: Login, slack: Slack) -> None:
        self._config = config
        self._memory = memory
        self._home = home
        self._login = login
        self._slack = slack
        self._names: dict[str, str] = {}
        #: The channels' names.
        self._called: dict[str, str] = {}

    def ghost_id(self, member: str) -> str:
        """Return the Matrix id of a member of Slack, or of a webhook."""
        return f"@slack_{self._login.team.lower()}-{member.lower()}:{self._config.domain}"

    @property
    def ghosts(self) -> dict[str, str]:
        """The members that are known, by their Matrix ids."""
        return {self.ghost_id(member): member for member in self._names}

    def naming(self, member: str) -> tuple[str, str]:
        """Return the Matrix id that is shown for a member, and a name."""
        if member == self._login.user:
            return self._login.owner, self._names.get(member, member)
        return self.ghost_id(member), self._names.get(member, member)

    def place(self, channel: str) -> tuple[str, str] | None:
        """Return the room of a channel and its name; None for one that has none."""
        room = self._memory.room_of(channel)
        return None if room is None else (room, self._called.get(channel, channel))

    async def ghost(self, member: str) -> str:
        """Return a member's account, which is there from now on."""
        account = self.ghost_id(member)
        if member not in self._names:
            self._names[member] = await self._name_of(member)
            if self._memory.is_new("ghost", account):
                await self._home.register(account.partition(":")[0].removeprefix("@"))
                await self._home.name(account, self._names[member])
        return account

    async def voice(self, member: str) -> tuple[str, str]:
        """Return the account that says what a member says, and its own token if it is no ghost."""
        puppet = self._memory.puppet_of(self._login.team, member)
        return (await self.ghost(member), "") if puppet is None else puppet

    async def _name_of(self, member: str) -> str:
        if member.startswith("B"):
            return f"{(await self._slack.ask('bots.info', bot=member))['bot']['name']} (bot)"
        user = (await self._slack.ask("users.info", user=member))["user"]
        name: str = user["profile"]["display_name"]
        return f"{name} (bot)" if user["is_bot"] else name

    async def space(self) -> str:
        """Return the workspace's own space."""
        room = self._memory.room_of(self._login.team)
        if room is None:
            place = {"id": self._login.team, "displayname": self._login.team_name}
            extra = {"com.beeper.room_type.v2": "space"}
            powers = _POWERS | {"events_default": 100}
            room = await self._create(self._login.team_name, place, extra, powers, creation={"type": "m.space"})
            self._memory.keep_portal(self._login.team, room)
            await self._home.bring(room, [await self.ghost(self._login.user)])
        return room

    async def portal(self, channel: str) -> str:
        """Return the room of a channel, which is there from now on. Raises SlackError."""
        room = self._memory.room_of(channel)
        if room is not None and channel in self._called:
            return room
        info = (await self._slack.ask("conversations.info", channel=channel))["channel"]
        self._called[channel] = info["name"]
        if room is not None:
            return room
        if not info["is_member"]:
            raise SlackError("not_in_channel")
        members = (await self._slack.ask("conversations.members", channel=channel))["members"]
        room = await self._create(f"#{info['name']}", self._channel(channel, info), {}, _POWERS, creation={})
        # First: who was invited may speak before the members are there.
        self._memory.keep_portal(channel, room)
        await self._home.bring(room, [await self.ghost(member) for member in members])
        return room

    async def rename(self, channel: str) -> None:
        """Give the room of a channel the name that the channel has now. Raises SlackError."""
        room = self._memory.room_of(channel)
        if room is None:
            return
        info = (await self._slack.ask("conversations.info", channel=channel))["channel"]
        self._called[channel] = info["name"]
        name = {"type": "m.room.name", "state_key": "", "content": {"name": f"#{info['name']}"}}
        for one in (name, *self._told(self._channel(channel, info), {})):
            await self._home.state(room, one)

    def _channel(self, channel: str, info: Json) -> Json:
        return {"id": f"{self._login.team}-{channel}", "displayname": f"#{info['name']}"}

    def _told(self, place: Json, extra: Json) -> list[Json]:
        """Return the state that tells what a room is bridged with."""
        bridge = {
            "bridgebot": self._config.bot,
            "creator": self._config.bot,
            "protocol": {"id": "slackgo", "displayname": "Slack", "external_url": "https://slack.com"},
            "network": {"id": self._login.team, "displayname": self._login.team_name},
            "channel": place,
            **extra,
        }
        key = f"{self._config.domain}/{self._config.appservice}"
        return [{"type": kind, "state_key": key, "content": bridge} for kind in ("m.bridge", "uk.half-shot.bridge")]

    async def _create(self, name: str, place: Json, extra: Json, powers: Json, *, creation: Json) -> str:
        state = self._told(place, extra)
        return await self._home.create_room(
            {
                "preset": "private_chat",
                "room_version": _VERSION,
                "creation_content": creation,
                "name": name,
                "invite": [self._login.owner],
                "initial_state": [
                    *state,
                    {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "shared"}},
                ],
                "power_level_content_override": powers,
            }
        )
