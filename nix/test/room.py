"""The team's end of the story: what is said in the room, and what is heard there. Standard library only.

`room.py found URL SERVER PASSWORD FILE` makes the room and writes the bot's token, `say NAME WORDS` says something,
`closing NUMBER` prints the closing line of a job, `greets TEXT` asks the project's service: with 1 while it is not so.
"""

import json
import secrets
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEAM, BOT = ("admin", "deployer", "member"), "opsbot"
_NOTES = Path("/srv/team.json")


def ask(url: str, token: str | None, method: str, path: str, body: Any = None) -> Any:
    """Ask the homeserver. Raises HTTPError."""
    request = urllib.request.Request(f"{url}/_matrix/client/v3/{path}", method=method)  # noqa: S310 - the team's own
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=10) as answer:  # noqa: S310 - as above
        return json.load(answer)


def log_in(url: str, name: str, password: str) -> str:
    """Return a token of an account."""
    identifier = {"type": "m.id.user", "user": name}
    wanted = {"type": "m.login.password", "identifier": identifier, "password": password}
    return str(ask(url, None, "POST", "login", wanted)["access_token"])


def found(url: str, server: str, password: str, token_file: str) -> None:
    """Make the room, and note who is in it."""
    tokens = {name: log_in(url, name, password) for name in (*TEAM, BOT)}
    bots = Path(token_file)
    bots.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    bots.write_text(tokens.pop(BOT))
    invited = [f"@{name}:{server}" for name in (*TEAM[1:], BOT)]
    made = ask(url, tokens["admin"], "POST", "createRoom", {"room_alias_name": "ops", "invite": invited})
    for name in TEAM[1:]:
        ask(url, tokens[name], "POST", f"join/{urllib.parse.quote(made['room_id'])}", {})
    _NOTES.write_text(json.dumps({"url": url, "room": made["room_id"], "tokens": tokens}))


def say(name: str, words: str) -> None:
    """Say something in the room."""
    noted = json.loads(_NOTES.read_text())
    room = urllib.parse.quote(noted["room"])
    path = f"rooms/{room}/send/m.room.message/{secrets.token_hex(8)}"
    ask(noted["url"], noted["tokens"][name], "PUT", path, {"msgtype": "m.text", "body": words})


def closing(number: str) -> None:
    """Print what the bot has said at the end of a job."""
    noted = json.loads(_NOTES.read_text())
    path = f"rooms/{urllib.parse.quote(noted['room'])}/messages?dir=b&limit=100"
    for event in ask(noted["url"], noted["tokens"]["admin"], "GET", path)["chunk"]:
        content = event["content"]
        threaded = content.get("m.relates_to", {}).get("rel_type")
        if event["sender"].startswith(f"@{BOT}:") and not threaded and f"(#{number}, " in content.get("body", ""):
            sys.stdout.write(content["body"])
            return
    sys.exit(1)


def greets(text: str) -> None:
    """Ask the service of hello-bot what it says."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:8000/", timeout=5) as answer:
            sys.exit(0 if answer.read().decode().strip() == text else 1)
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    verbs: dict[str, Callable[..., None]] = {"found": found, "say": say, "closing": closing, "greets": greets}
    verbs[sys.argv[1]](*sys.argv[2:])
