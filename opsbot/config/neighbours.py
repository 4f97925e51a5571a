"""The shape of the configuration's neighbours of the bot: the homeserver, the bridge, the forge."""

from pydantic import BaseModel, ConfigDict, Field

from opsbot.config import grammar as g


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Homeserver(Section):
    """Where the bot logs in, and as whom."""

    url: g.WebAddress = Field(description="the homeserver's address, like http://127.0.0.1:6167")
    user: g.Account = Field(description="the bot's own Matrix id, like @opsbot:example.org")
    token_file: g.Secret | None = Field(None, description="the name of the credential with the bot's access token")
    password_file: g.Secret | None = Field(None, description="the name of the credential with the bot's password")

    @property
    def server(self) -> str:
        """The server's name: what stands behind the colon of the ids on it."""
        return self.user.partition(":")[2]


BRIDGE_SECRETS = ("secret_file", "bot_token_file", "app_token_file")


class Bridge(Section):
    """The Slack bridge whose ghosts may count as persons."""

    bot: g.Account = Field(description="the bridge's own Matrix id, like @slackbot:example.org")
    team: g.SlackTeam = Field(description="the Slack team's id, like T0TEAM")
    url: g.WebAddress | None = Field(
        default=None, description="where the bridge itself listens, like http://127.0.0.1:29335"
    )
    secret_file: g.Secret | None = Field(
        default=None, description="the name of the credential with the bridge's provisioning.shared_secret"
    )
    bot_token_file: g.Secret | None = Field(
        default=None, description="the name of the credential with the Slack app's bot token"
    )
    app_token_file: g.Secret | None = Field(
        default=None, description="the name of the credential with the Slack app's app-level token"
    )
    channels: tuple[g.SlackChannel, ...] = Field(default=(), description="the Slack channels that the bot listens in")

    test_channel: g.SlackChannelId | None = Field(
        default=None, description="the Slack channel that is kept for the self-test, like C0TEST"
    )

    def hears(self, channel: str) -> bool:
        """Tell whether commands may be given in a channel of this id; of a name like #ops, whether in any channel."""
        if channel.startswith("#"):
            return bool(self.channels) and ":" not in channel
        return "all" in self.channels or channel in self.channels


class Forge(Section):
    """The Forgejo that holds the platform's repository."""

    url: g.WebAddress = Field(description="the forge's address, like https://git.example.org")
    repository: g.Repository = Field(description="the platform's repository, like team/ops-jrz1")
    branch: g.Branch = Field("main", description="the platform's branch")
    token_file: g.Secret = Field(description="the name of the credential with the bot's token")
