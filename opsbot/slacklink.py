"""The way to Slack as the logic sees it: what the bridge says of its logins, and what is known of messages."""

import time
from collections.abc import Sequence

from opsbot.ailments import of_logins
from opsbot.bridge.provisioning import Provisioning
from opsbot.config import Config
from opsbot.credentials import Credentials
from opsbot.errors import BridgeError
from opsbot.model import SlackLogin, SlackNews
from opsbot.slack import provisioning
from opsbot.store.database import Database
from opsbot.store.receipts import Receipts


class SlackLink:
    """Implements the port `Slack` with a bridge's API; TEAM is the workspace that is ours."""

    def __init__(self, api: Provisioning, receipts: Receipts, *, team: str) -> None:
        self._api = api
        self._receipts = receipts
        self._team = team

    async def logins(self) -> Sequence[SlackLogin]:
        """Return the bot's logins with Slack. Raises BridgeError."""
        return await self._api.logins()

    async def wrong(self) -> str:
        """Return the sentence about what keeps us from Slack; empty when nothing does."""
        try:
            return of_logins(await self._api.logins(), team=self._team, now=time.time())
        except BridgeError as error:
            return str(error)

    async def news(self) -> SlackNews:
        """Return when something last came and went."""
        return await self._receipts.news()


def slack_link(config: Config, credentials: Credentials, database: Database) -> SlackLink | None:
    """Return the way to Slack, if the configuration says where the bridge is. Raises ConfigError."""
    if config.bridge is None or config.bridge.url is None:
        return None
    return SlackLink(provisioning(config, credentials), Receipts(database), team=config.bridge.team)
