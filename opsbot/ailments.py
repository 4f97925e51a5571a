"""What is wrong with the bridge, and what to do about it: from what it says of its logins, and from how it ended."""

import json
import re
from collections.abc import Iterable, Sequence

from opsbot.model import Json, SlackLogin

#: Seconds after which a passing disturbance is none: the bridge says so of a bad app token for ever.
PASSING = 60.0
#: Logins that are named in one sentence.
_NAMED = 5
_STATUS = re.compile(r"Main process exited, code=exited, status=(\d+)")
_RELOGIN = "run `opsbot slack login`."
#: Slack's codes for a token that counts no more.
NO_TOKEN = (
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "user_removed_from_team",
)
BAD_TOKEN = f"Slack does not accept the bot token any more: install the app, copy its xoxb- token, and {_RELOGIN}"
LACKS_SCOPE = "The app lacks a scope: put what `opsbot slack manifest` prints into it, and install it again."
#: How the bridge begins the words with which Slack did not let it in.
_FROM_SLACK = "Unknown error from Slack: "
#: What it says of every socket that did not open but for a bad token.
_NO_SOCKET = "slack-socketmode-connection-error"


def of_logins(logins: Sequence[SlackLogin], *, team: str, now: float) -> str:
    """Return the sentence about the logins with our workspace; empty when one of them is well."""
    ours = [login for login in logins if login.id.startswith(f"{team}-")]
    if not logins:
        return f"The bridge has no login for the bot, as after its database was lost: {_RELOGIN}"
    if not ours:
        others = ", ".join(login.id.partition("-")[0] for login in logins[:_NAMED])
        return f"The bot is logged in to {others}, and bridge.team is {team}: correct that, or {_RELOGIN}"
    sentences = [of_login(login, now=now) for login in ours]
    return "" if "" in sentences else sentences[0]


def of_login(login: SlackLogin, *, now: float) -> str:
    """Return the sentence about one login; empty when it is well, or disturbed for a moment."""
    seconds = now - login.since
    match login.state:
        case "CONNECTED" | "RUNNING" | "BACKFILLING":
            return ""
        case "TRANSIENT_DISCONNECT" if login.message in NO_TOKEN:
            return (
                "Slack does not accept the app token, which the bridge calls a passing disturbance: make an app-level "
                "token (xapp-) with connections:write under Basic Information, put it into the credential, and "
                f"{_RELOGIN}"
            )
        case "TRANSIENT_DISCONNECT" | "CONNECTING" | "STARTING" if seconds <= PASSING:
            return ""
        case "TRANSIENT_DISCONNECT" | "CONNECTING" | "STARTING":
            why = login.message or login.error or login.state
            app = ", and whether Socket Mode is on in the app" if why == _NO_SOCKET else ""
            lost = f"The bridge has not reached Slack for {seconds:.0f} s ({why})"
            return f"{lost}: look at the host's way to slack.com{app}."
        case "BAD_CREDENTIALS" | "LOGGED_OUT":
            return BAD_TOKEN
        case _:
            return _not_let_in(login)


def _not_let_in(login: SlackLogin) -> str:
    """Return the sentence about a bridge that did not get into Slack when it started, and has given up."""
    why = login.message.removeprefix(_FROM_SLACK)
    if why in NO_TOKEN:
        return BAD_TOKEN
    if why == "missing_scope":
        return f"{LACKS_SCOPE} Then restart the bridge."
    if why != login.message:
        return (
            f"The bridge did not get into Slack when it started: {why.rstrip('.')}. It tries again where its setting "
            "bridge.unknown_error_auto_reconnect is `1m`; else restart it when Slack can be reached."
        )
    silent = "it has not tried to reach Slack yet" if login.state == "UNKNOWN" else "no reason given"
    return f"The bridge says {login.state} of {login.name}: {login.message or login.error or silent}."


#: mautrix-slack's exit codes; {} is what its log says was the matter.
_ENDINGS = {
    1: "It was started with wrong options.",
    10: "Its config.yaml cannot be read, or is no YAML: {}",
    11: "A setting of its config.yaml is still that of the example: {}",
    12: "The section `logging` of its config.yaml is wrong: {}",
    13: "The homeserver cannot reach it: appservice.address must be where it listens, as the homeserver sees it.",
    14: "Its database cannot be opened (the type for SQLite is sqlite3-fk-wal): {}",
    15: "Its database was made by another program, or by a newer version of it: {}",
    16: "The homeserver does not know its as_token: give it the bridge's registration.yaml, and restart it.",
    17: "Its as_token is that of another bridge: each needs a registration of its own.",
    18: "The homeserver is too old for it, or its SQLite file is damaged: {}",
    20: "It could not make a registration: homeserver.domain is not set.",
    21: "It could not write its registration.yaml.",
    22: "It could not write its config.yaml.",
    23: "It has nowhere to listen: set appservice.hostname and appservice.port.",
}
_CRYPTO = (31, 32, 33, 34, 50, 51)


def of_ending(lines: Iterable[str]) -> str:
    """Return the sentence about how the bridge ended, by the last lines of its journal; empty if they tell nothing."""
    code, error = 0, ""
    for line in lines:
        if found := _STATUS.search(line):
            code = int(found[1])
        error = _fatal(line) or error
    if not code:
        return ""
    if code in _CRYPTO:
        words = "Its encryption or its portals are set up wrongly: leave encryption.allow off for bridged rooms. {}"
    else:
        words = _ENDINGS.get(code, "{}")
    return f"It ended with exit code {code}. {words.format(error or 'its log says which.')}".strip()


def _fatal(line: str) -> str:
    """Return the error of a line in which the bridge says why it ends, in either form of its log."""
    place = line.find("{")
    said: Json = None
    if place >= 0:
        try:
            said = json.loads(line[place:])
        except (ValueError, RecursionError):
            return ""
    if isinstance(said, dict) and said.get("level") in ("fatal", "panic"):
        return str(said.get("error") or said.get("message") or "").strip()[:300]
    plain = re.search(r'\bFTL\b.*?error="?([^"\x1b]+)', line)
    return plain[1].strip()[:300] if plain else ""
