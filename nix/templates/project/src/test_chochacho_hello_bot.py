"""What chochacho-hello-bot promises. Run it: `python3 -m unittest discover src`."""

import unittest
from typing import Any

from chochacho_hello_bot import HelloBot, Homeserver, asks, greeting

ME, EVE, ROOM = "@chochacho-hello-bot:example.org", "@eve:example.org", "!room:example.org"


def said(body: str, sender: str = EVE, **content: Any) -> dict[str, Any]:
    """Return a message as the homeserver tells it."""
    message = {"msgtype": "m.text", "body": body, **content}
    return {"type": "m.room.message", "event_id": "$1", "sender": sender, "content": message}


class FakeHomeserver(Homeserver):
    """A homeserver with news of one room for the second sync; it keeps what the bot sends, and where it goes."""

    def __init__(self, kind: str, room: Any) -> None:
        super().__init__("http://127.0.0.1:1", "")
        self._syncs: list[Any] = [{"next_batch": "0"}, {"next_batch": "1", "rooms": {kind: {ROOM: room}}}]
        self.sent: list[str] = []
        self.joined: list[str] = []

    def ask(self, method: str, path: str, content: Any = None, **query: str | int) -> Any:
        """Answer from memory."""
        match method, path:
            case "GET", "account/whoami":
                return {"user_id": ME}
            case "GET", "sync":
                return self._syncs[1 if query.get("since") else 0]
            case "PUT", _:
                self.sent.append(content["body"])
                return {"event_id": "$2"}
            case "POST", _:
                self.joined.append(path)
                return {}
            case _:
                return {"displayname": "Eve"}


class Hello(unittest.TestCase):
    """The bot answers `!hello`, and nothing else."""

    def test_greets_by_name(self) -> None:
        """Whoever is greeted reads their name."""
        self.assertEqual(greeting("Eve"), "Hello, Eve!")

    def test_answers_hello(self) -> None:
        """`!hello` is answered once."""
        homeserver = FakeHomeserver("join", {"timeline": {"events": [said("!hello"), said("hello there")]}})
        bot = HelloBot(homeserver)

        bot.begin()
        bot.turn()

        self.assertEqual(homeserver.sent, [greeting("Eve")])

    def test_goes_where_its_own_server_invites_it(self) -> None:
        """An invitation is taken when it comes from an account of the bot's own server."""
        for inviter, rooms in ((EVE, ["join/%21room%3Aexample.org"]), ("@mallory:elsewhere.org", [])):
            invitation = {"type": "m.room.member", "state_key": ME, "sender": inviter}
            homeserver = FakeHomeserver("invite", {"invite_state": {"events": [invitation]}})
            bot = HelloBot(homeserver)

            bot.begin()
            bot.turn()

            self.assertEqual(homeserver.joined, rooms)

    def test_hears_only_what_is_newly_typed_by_others(self) -> None:
        """Other words, its own words, notices and edits are not answered."""
        self.assertTrue(asks(said("  !hello bot"), ME))
        self.assertFalse(asks(said("!helloo"), ME))
        self.assertFalse(asks(said("say !hello"), ME))
        self.assertFalse(asks(said("!hello", sender=ME), ME))
        self.assertFalse(asks(said("!hello", msgtype="m.notice"), ME))
        self.assertFalse(asks(said("!hello", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}}), ME))


if __name__ == "__main__":
    unittest.main()
