"""The configuration and the registration that a bridge is started with."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.mautrix.model import Json


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Which homeserver a bridge serves, and the secrets that both share. SENDER is its own name there."""

    folder: Path
    server_name: str
    port: int
    sender: str = "slackbot"
    appservice_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    homeserver_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    provisioning_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def url(self) -> str:
        """Where the bridge listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def bot(self) -> str:
        """The bridge's own Matrix id."""
        return f"@{self.sender}:{self.server_name}"

    @property
    def registration_file(self) -> Path:
        """What the homeserver reads."""
        return self.folder / "registration.yaml"

    @property
    def config_file(self) -> Path:
        """What the bridge reads."""
        return self.folder / "config.yaml"

    def write_registration(self) -> None:
        """Write what the homeserver reads; it must be there before the homeserver starts."""
        domain = self.server_name.replace(".", r"\.")
        claimed = [rf"^@{self.sender}:{domain}$", rf"^@slack_.*:{domain}$"]
        registration = {
            "id": "slack",
            "url": self.url,
            "as_token": self.appservice_token,
            "hs_token": self.homeserver_token,
            "sender_localpart": f"{self.sender}-hidden",
            "rate_limited": False,
            "namespaces": {"users": [{"regex": regex, "exclusive": True} for regex in claimed]},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        # YAML reads JSON.
        self.registration_file.write_text(json.dumps(registration, indent=1))

    def configuration(self, homeserver: str, *, backfill: bool = False) -> Json:
        """Return what a bridge needs to be told; all else is as it ships."""
        return {
            "homeserver": {"address": homeserver, "domain": self.server_name},
            "appservice": {
                "address": self.url,
                "hostname": "127.0.0.1",
                "port": self.port,
                "id": "slack",
                "bot": {"username": self.sender, "displayname": "Slack bridge"},
                "as_token": self.appservice_token,
                "hs_token": self.homeserver_token,
                "username_template": "slack_{{.}}",
            },
            "database": {"type": "sqlite3-fk-wal", "uri": f"file:{self.folder / 'bridge.db'}?_txlock=immediate"},
            "bridge": {"permissions": {self.server_name: "user"}},
            "matrix": {"message_status_events": True},
            "provisioning": {"shared_secret": self.provisioning_secret},
            "backfill": {"enabled": backfill},
            "encryption": {"allow": False},
            "logging": {"min_level": "debug", "writers": [{"type": "stdout", "format": "json"}]},
        }

    def write_config(self, configuration: Json) -> None:
        """Write what the bridge reads."""
        self.config_file.write_text(json.dumps(configuration, indent=1))
