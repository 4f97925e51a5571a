"""One login's connection with Slack: its state, its portals, and the traffic both ways."""

import asyncio
import time
from collections import defaultdict

import aiohttp

from opsbot.mautrix.attached import Attached
from opsbot.mautrix.config import Config
from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.inward import Inward
from opsbot.mautrix.memory import Memory
from opsbot.mautrix.model import HomeserverError, Json, Login, SlackError
from opsbot.mautrix.outward import Outward
from opsbot.mautrix.portals import Portals
from opsbot.mautrix.slack import Slack

#: Seconds until a socket that failed is tried again.
_AGAIN = 10.0
#: With these it forgets its tokens; with those it says of the socket what was wrong.
_LOST_FOR_GOOD = frozenset({"invalid_auth", "user_removed_from_team"})
_BAD_TOKEN = frozenset({"invalid_auth", "token_revoked", "account_inactive", "not_authed"})
_TTL_WELL, _TTL_UNWELL = 21_600, 3600

#: The bridge's word, its code for what is wrong, Slack's words, and the Unix time since when.
State = tuple[str, str, str, int]
#: Before anything was tried.
UNTRIED: State = ("", "", "", 0)


class Connection:
    """A login at work. What happens in a channel is carried over one thing after the other."""

    def __init__(
        self,
        config: Config,
        memory: Memory,
        home: Homeserver,
        *,
        login: Login,
        session: aiohttp.ClientSession,
        turns: defaultdict[str, asyncio.Lock],
        state: State,
    ) -> None:
        self.login = login
        self._config = config
        self._memory = memory
        self._slack = Slack(session, bot_token=login.bot_token, app_token=login.app_token)
        self._portals = Portals(config, memory, home, login=login, slack=self._slack)
        self._inward = Inward(memory, home, self._portals, login, attached=Attached(home, self._slack))
        self._outward = Outward(config, memory, home, portals=self._portals, login=login, slack=self._slack)
        self._turns = turns
        self._work: set[asyncio.Task[None]] = set()
        # Until something is tried it is as it was: with the connection before this one, if there was one.
        self.state = state

    def json(self) -> Json:
        """Return what the provisioning API says of it."""
        event, error, message, since = self.state
        info = {"real_login_id": self.login.id, "slack_team_id": self.login.team, "slack_user_id": self.login.user}
        state = {
            "state_event": event,
            "timestamp": since,
            "ttl": _TTL_WELL if event == "CONNECTED" else _TTL_UNWELL,
            "source": "bridge",
            **{key: words for key, words in (("error", error), ("message", message)) if words},
            "info": info,
        }
        return {
            "state_event": event,
            "state_ts": since,
            "state_info": info,
            "state": state,
            "id": self.login.id,
            "name": f"{self.login.team_name} - {self.login.user_name}",
            "profile": {"name": f"{self.login.user_name} (bot)"},
        }

    def _be(self, event: str, error: str = "", message: str = "") -> None:
        self.state = (event, error, message, int(time.time()))

    async def run(self) -> None:
        """Connect and carry what happens in Slack, until cancelled or locked out for good."""
        if not await self._may_begin():
            return
        await self._portals.space()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            if not self.login.member:
                tasks.create_task(self._sync())

    async def _may_begin(self) -> bool:
        if not self.login.bot_token:
            self._be("BAD_CREDENTIALS", "slack-not-logged-in", "Please log in again")
            return False
        try:
            await self._slack.ask("team.info")
        except SlackError as problem:
            if str(problem) in _LOST_FOR_GOOD:
                self._forget_tokens()
                self._be("BAD_CREDENTIALS", "slack-invalid-auth", "Invalid credentials, please log in again")
            else:
                self._be("UNKNOWN_ERROR", "slack-unknown-fetch-error", f"Unknown error from Slack: {problem}")
            return False
        return True

    def _forget_tokens(self) -> None:
        self._memory.keep_login(Login(**(vars(self.login) | {"bot_token": "", "app_token": ""})))

    async def _listen(self) -> None:
        while True:
            self._be("CONNECTING")
            try:
                async for event in self._slack.events():
                    if event is None:
                        self._be("CONNECTED")
                    elif not self.login.member:
                        # What a member hears, the bot's login has heard.
                        self._begin(self._carry_in(event))
            except SlackError as problem:
                if str(problem) in _BAD_TOKEN:
                    self._be("TRANSIENT_DISCONNECT", "slack-socketmode-error", str(problem))
                else:
                    self._be("TRANSIENT_DISCONNECT", "slack-socketmode-connection-error")
                await asyncio.sleep(_AGAIN)

    async def _sync(self) -> None:
        for channel in (await self._slack.ask("users.conversations"))["channels"]:
            async with self._turns[channel["id"]]:
                await self._portals.portal(channel["id"])
                if self._config.backfill:
                    await self._catch_up(channel["id"])

    async def _catch_up(self, channel: str) -> None:
        last = self._memory.last_in(channel)
        if last is None:
            return
        history = await self._slack.ask("conversations.history", channel=channel, oldest=last)
        for message in reversed(history["messages"]):
            await self._inward.carry(message | {"channel": channel})

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _carry_in(self, event: Json) -> None:
        channel = event.get("channel") or event.get("item", {}).get("channel", "")
        async with self._turns[channel]:
            try:
                await self._inward.carry(event)
            except (SlackError, HomeserverError) as problem:
                print(f"not carried to Matrix: {problem}", flush=True)  # noqa: T201 - its log

    def carry_out(self, event: Json) -> None:
        """Carry an event of a portal to Slack, when its turn comes."""
        channel = self._memory.channel_of(event["room_id"])
        if channel is not None and channel != self.login.team:
            self._begin(self._carry_out(event, channel))

    async def _carry_out(self, event: Json, channel: str) -> None:
        async with self._turns[channel]:
            await self._outward.carry(event, channel)
