"""chochacho-hello-bot answers `!hello` in the Matrix rooms that it is invited to.

It needs nothing but Python. What it listens to is `asks`, what it says is `greeting`: begin there.
"""

import json
import logging
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

COMMAND = "!hello"

#: Seconds that the homeserver may keep a question open while nothing happens.
POLL = 30
#: Seconds between two tries while the homeserver is away, at most.
LONGEST_PAUSE = 30
#: What the homeserver tells us, and nothing else.
FILTER = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "timeline": {"types": ["m.room.message", "m.room.member"]},
        "state": {"types": []},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
}
#: Statuses after which the same question may be answered well a little later.
PASSING = {408, 429, 500, 502, 503, 504}
#: The status of a token that is none.
REFUSED = 401

log = logging.getLogger("chochacho-hello-bot")


def greeting(name: str) -> str:
    """Return what is said to somebody."""
    return f"Hello, {name}!"


def asks(event: Any, me: str) -> bool:
    """Say whether an event is the command, newly typed by somebody else."""
    content, sender = event.get("content"), event.get("sender")
    if event.get("type") != "m.room.message" or sender == me or not isinstance(content, dict):
        return False
    relation, body = content.get("m.relates_to"), content.get("body")
    edited = isinstance(relation, dict) and relation.get("rel_type") == "m.replace"
    return not edited and content.get("msgtype") == "m.text" and str(body).split()[:1] == [COMMAND]


def since_joined(events: list[Any], me: str) -> list[Any]:
    """Return the events after we came into the room, if we came just now: what was said before was not said to us."""
    for place in range(len(events) - 1, -1, -1):
        event = events[place]
        if event.get("type") == "m.room.member" and event.get("state_key") == me:
            return events[place + 1 :]
    return events


def in_thread(event: Any) -> dict[str, Any]:
    """Return what puts an answer into the thread of the command, if it was in one."""
    relation = event["content"].get("m.relates_to")
    if not isinstance(relation, dict) or relation.get("rel_type") != "m.thread":
        return {}
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": relation.get("event_id")}}


class Homeserver:
    """The Matrix client-server API, as far as this bot needs it."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/_matrix/client/v3/"
        self._token = token

    def ask(self, method: str, path: str, content: Any = None, **query: str | int) -> Any:
        """Ask something and return the answer. Raises HTTPError for a no, other errors if there is no answer."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if content is None else json.dumps(content).encode()
        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=POLL + 30) as answer:
            return json.load(answer)


class HelloBot:
    """The bot: an account, and the place in the stream of what it has seen."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._me = ""
        self._since = ""

    def begin(self) -> None:
        """Find out who we are, and begin with what is said from now on."""
        self._me = self._homeserver.ask("GET", "account/whoami")["user_id"]
        self._take_in(self._sync(0), answering=False)

    def turn(self) -> None:
        """Wait for news, and answer."""
        self._take_in(self._sync(POLL), answering=True)

    def _sync(self, seconds: int) -> Any:
        query: dict[str, str | int] = {"filter": json.dumps(FILTER), "timeout": seconds * 1000}
        return self._homeserver.ask("GET", "sync", **query, **({"since": self._since} if self._since else {}))

    def _take_in(self, news: Any, *, answering: bool) -> None:
        rooms = news.get("rooms", {})
        for room, invitation in rooms.get("invite", {}).items():
            self._join(room, invitation["invite_state"]["events"])
        for room, joined in rooms.get("join", {}).items() if answering else ():
            for event in since_joined(joined["timeline"]["events"], self._me):
                if asks(event, self._me):
                    self._answer(room, event)
        # Last, so that what could not be answered comes again.
        self._since = news["next_batch"]

    def _join(self, room: str, events: list[Any]) -> None:
        """Go where somebody of our own server invites us."""
        home = self._me.partition(":")[2]
        inviters = [one["sender"] for one in events if one.get("state_key") == self._me]
        if any(inviter.partition(":")[2] == home for inviter in inviters):
            self._try("POST", f"join/{quote(room, safe='')}", {})

    def _answer(self, room: str, event: Any) -> None:
        # m.text, because the bridge to Slack leaves notices out.
        content = {"msgtype": "m.text", "body": greeting(self._name(event["sender"])), **in_thread(event)}
        # The same name for the same answer: the homeserver takes it once, however often it is sent.
        name = quote(f"hello-{event['event_id']}", safe="")
        self._try("PUT", f"rooms/{quote(room, safe='')}/send/m.room.message/{name}", content)

    def _name(self, user: str) -> str:
        profile = self._try("GET", f"profile/{quote(user, safe='')}/displayname")
        name = re.sub(r"\s+", " ", str(profile.get("displayname") or "")).strip()
        return name or user[1:].partition(":")[0]

    def _try(self, method: str, path: str, content: Any = None) -> Any:
        """Ask something that may be refused for good: then there is no answer, and life goes on."""
        try:
            return self._homeserver.ask(method, path, content)
        except urllib.error.HTTPError as error:
            if error.code in PASSING or error.code == REFUSED:
                raise
            log.warning("%s %s: %s", method, path, error)
            return {}


def ready() -> None:
    """Tell systemd that we hear what is said: only then a deploy goes on."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address.replace("@", "\0", 1) if address.startswith("@") else address)


def run(bot: HelloBot) -> None:
    """Answer for ever. The homeserver may be away for a while; a token that it refuses is the end."""
    begun, pause = False, 1
    while True:
        try:
            if begun:
                bot.turn()
            else:
                bot.begin()
                begun = True
                ready()
            pause = 1
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == REFUSED:
                raise SystemExit("The homeserver refuses the token: give the bot a new one.") from None
            log.warning("The homeserver does not answer (%s): once more in %d s.", error, pause)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def main() -> None:
    """Run as a service: HOMESERVER is an address, the token is a credential."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        token = Path(os.environ["CREDENTIALS_DIRECTORY"], "token").read_text(encoding="utf-8").strip()
        homeserver = Homeserver(os.environ["HOMESERVER"], token)
    except (KeyError, OSError) as error:
        raise SystemExit(f"HOMESERVER and CREDENTIALS_DIRECTORY (with the file token) must be set: {error}") from None
    run(HelloBot(homeserver))


if __name__ == "__main__":
    main()
