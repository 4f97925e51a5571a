"""The way to Slack as the logic sees it: what the bridge says of its logins, and what is known of messages."""

import time
from collections.abc import Sequence

from opsbot.ailments import of_logins
from opsbot.bridge.provisioning import Provisioning
from opsbot.bridged import Portal, SlackProof
from opsbot.config import Bridge, Config
from opsbot.credentials import Credentials
from opsbot.errors import BridgeError
from opsbot.letters import Courier
from opsbot.model import SlackLogin, SlackNews
from opsbot.people import is_heard
from opsbot.ports import Clock
from opsbot.slack import provisioning
from opsbot.slacktest import WITHIN, SelfTest
from opsbot.store.database import Database
from opsbot.store.memory import Memory
from opsbot.store.receipts import Receipts


class SlackLink:
    """Implements the port `Slack` with a bridge's API, and with a COURIER to the channels behind it."""

    def __init__(
        self, bridge: Bridge, api: Provisioning, receipts: Receipts, courier: Courier, *, test: SelfTest | None
    ) -> None:
        self._bridge = bridge
        self._api = api
        self._receipts = receipts
        self._courier = courier
        self._test = test

    async def logins(self) -> Sequence[SlackLogin]:
        """Return the bot's logins with Slack. Raises BridgeError."""
        return await self._api.logins()

    async def wrong(self) -> str:
        """Return the sentence about what keeps us from Slack; empty when nothing does."""
        try:
            return of_logins(await self._api.logins(), team=self._bridge.team, now=time.time())
        except BridgeError as error:
            return str(error)

    async def news(self) -> SlackNews:
        """Return when something last came and went."""
        return await self._receipts.news()

    async def channels(self) -> Sequence[tuple[Portal, bool]]:
        """Return the channels that the bot is in, and whether it listens there. Raises ChatUnreachableError."""
        return [(portal, is_heard(portal, self._bridge)) for portal in await self._courier.portals()]

    async def test(self, *, within: float = WITHIN) -> SlackProof | None:
        """Send a message to Slack and wait for the bridge's word that it arrived; None without a channel for that.

        Raises ChatUnreachableError while the homeserver is away.
        """
        return None if self._test is None else await self._test.prove(within=within)

    async def tested(self) -> SlackProof | None:
        """Return what came of the last such test, if there was one."""
        return None if self._test is None else await self._test.last()


def slack_link(
    config: Config, credentials: Credentials, database: Database, *, courier: Courier, clock: Clock
) -> SlackLink | None:
    """Return the way to Slack, if the configuration says where the bridge is. Raises ConfigError."""
    bridge = config.bridge
    if bridge is None or bridge.url is None:
        return None
    channel = bridge.test_channel
    test = None if channel is None else SelfTest(courier, Memory(database), clock, channel=channel)
    return SlackLink(bridge, provisioning(config, credentials), Receipts(database), courier, test=test)
