"""The bridge's configuration: what it is told, and with which exit code and words it refuses to start."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from opsbot.mautrix.model import ExitError, Json

_NOT_CONFIGURED = 11
_NO_TOKEN = "appservice.{} not configured. Did you forget to generate the registration? "  # noqa: S105 - mautrix-slack's words
_EXAMPLES = frozenset({"*", "example.com", "@admin:example.com"})


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the stand-in needs of it."""

    homeserver: str
    domain: str
    address: str
    port: int
    appservice: str
    sender: str
    as_token: str
    hs_token: str
    database: Path
    permissions: dict[str, str]
    status_events: bool
    secret: str
    backfill: bool

    @property
    def bot(self) -> str:
        """The bridge's own Matrix id."""
        return f"@{self.sender}:{self.domain}"

    def may_log_in(self, account: str) -> bool:
        """Tell whether an account may have a login of its own."""
        server = account.partition(":")[2]
        levels = (self.permissions.get(key) for key in (account, server, "*"))
        return next((level for level in levels if level), "block") in ("user", "admin")


def load(file: Path) -> Config:
    """Read a configuration. Raises ExitError as mautrix-slack ends."""
    try:
        whole = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as problem:
        raise ExitError(10, "Failed to load config", str(problem)) from None
    _validate(whole)
    service = whole["appservice"]
    return Config(
        homeserver=whole["homeserver"]["address"],
        domain=whole["homeserver"]["domain"],
        address=service["address"],
        port=int(service["port"]),
        appservice=service["id"],
        sender=service["bot"]["username"],
        as_token=service["as_token"],
        hs_token=service["hs_token"],
        database=Path(whole["database"]["uri"].removeprefix("file:").partition("?")[0]),
        permissions=whole["bridge"]["permissions"],
        status_events=whole.get("matrix", {}).get("message_status_events", False),
        secret=whole.get("provisioning", {}).get("shared_secret", ""),
        backfill=whole.get("backfill", {}).get("enabled", False),
    )


def _validate(whole: Json) -> None:
    if problem := _problem(whole):
        raise ExitError(_NOT_CONFIGURED, "Configuration error", problem)


def _problem(whole: Json) -> str:
    home, service = whole.get("homeserver", {}), whole.get("appservice", {})
    people = whole.get("bridge", {}).get("permissions") or {}
    examples = {
        "homeserver.address not configured": home.get("address") in (None, "", "http://example.localhost:8008"),
        "homeserver.domain not configured": home.get("domain") in (None, "", "example.com"),
        _NO_TOKEN.format("as_token"): service.get("as_token")
        in (None, "", "This value is generated when generating the registration"),
        _NO_TOKEN.format("hs_token"): service.get("hs_token")
        in (None, "", "This value is generated when generating the registration"),
        "database.uri not configured": "postgres://user:password@host"
        in (whole.get("database", {}).get("uri") or "postgres://user:password@host"),
        "bridge.permissions not configured": not set(people) - _EXAMPLES,
        "username template is missing user ID placeholder": "{{.}}"
        not in service.get("username_template", "slack_{{.}}"),
    }
    return next((words for words, wrong in examples.items() if wrong), "")
