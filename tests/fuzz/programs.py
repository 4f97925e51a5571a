"""What other programs send: the homeserver, the bridge, the callers of hooks, the forge, services."""

# ruff: noqa: PT017 - what comes in may be read or refused, and both ways something holds

from typing import Any

from hypothesis import strategies as st

from opsbot.ailments import of_ending, of_logins
from opsbot.bridge.provisioning import read_login
from opsbot.config import Bridge
from opsbot.context import Delivery
from opsbot.errors import OpsbotError, UsageError
from opsbot.matrix.client import LONGEST_WAIT, read_answer
from opsbot.matrix.events import LONGEST, batch_of, facts_of, to_message
from opsbot.matrix.receipts import receipts_in
from opsbot.model import STRANGER, Level, Person
from opsbot.people import identify, is_heard, names_of, portal_of, slack_member
from opsbot.receipts import Again, GiveUp, verdict
from opsbot.render.text import words
from opsbot.triggers.signed import delivery_of, event_of, genuine, signature, without_proof
from opsbot.web.probes import read_version
from tests.fuzz.tools import ANY_TEXT, JSON, ODD, deep, edited, edited_json, is_plain, parser

ME, SERVER = "@opsbot:example.org", "example.org"
ROOM = "!ops:example.org"
BRIDGE = Bridge(bot="@slackbot:example.org", team="T0TEAM", channels=("C0OPS",))
EVE = Person(name="eve", level=Level.DEPLOYER, accounts=frozenset({"@eve:example.org"}), slack=frozenset({"U034EVE"}))

MESSAGE = {
    "type": "m.room.message",
    "event_id": "$1",
    "sender": "@slack_t0team-u034eve:example.org",
    "origin_server_ts": 1_700_000_000_000,
    "content": {
        "msgtype": "m.text",
        "body": "> quoted\n\n!deploy hello-bot",
        "format": "org.matrix.custom.html",
        "formatted_body": "<mx-reply>quoted</mx-reply><p>!deploy hello-bot</p>",
        "m.relates_to": {"rel_type": "m.thread", "event_id": "$0"},
    },
    "unsigned": {"age": 3},
}
REACTION = {
    "type": "m.reaction",
    "event_id": "$2",
    "sender": "@eve:example.org",
    "origin_server_ts": 1_700_000_000_000,
    "content": {
        "m.relates_to": {"rel_type": "m.annotation", "event_id": "$0", "key": "✅"},
        "com.beeper.reaction.shortcode": ":white_check_mark:",
    },
}
RECEIPT = {
    "type": "com.beeper.message_send_status",
    "sender": "@slackbot:example.org",
    "content": {
        "m.relates_to": {"event_id": "$3"},
        "status": "FAIL_RETRIABLE",
        "internal_error": "slack rate limit exceeded, retry after 1m30s",
        "message": "no",
    },
}
STATE = [
    {"type": "m.room.create", "sender": "@slackbot:example.org", "state_key": "", "content": {}},
    {
        "type": "m.bridge",
        "sender": "@slackbot:example.org",
        "state_key": "example.org/slack",
        "content": {"network": {"id": "T0TEAM"}, "channel": {"id": "T0TEAM-C0OPS"}},
    },
    {"type": "m.room.encryption", "sender": "@eve:example.org", "state_key": "", "content": {"algorithm": "x"}},
]
SYNC = {
    "next_batch": "s1",
    "rooms": {
        "join": {ROOM: {"timeline": {"events": [MESSAGE, REACTION], "limited": True, "prev_batch": "p"}}},
        "invite": {
            "!new:x": {"invite_state": {"events": [{"type": "m.room.member", "state_key": ME, "sender": "@eve:x"}]}}
        },
        "leave": {"!old:x": {}},
    },
}


@parser("sync", edited_json([MESSAGE, REACTION]) | JSON)
def event(sent: Any) -> None:
    """Whatever stands where an event should be is a message that can be stored, or nothing."""
    message = to_message(sent, room_id=ROOM, me=ME)
    if message is None:
        return
    assert 0 < len(message.body) <= LONGEST
    assert message.sender not in ("", ME)
    for said in (message.event_id, message.sender, message.body, message.html or "", message.thread or ""):
        assert "\0" not in said
        said.encode()


@parser("sync", edited_json([SYNC]) | JSON)
def sync(answer: Any) -> None:
    """Whatever answers a sync is read; what makes no sense in it is left out."""
    batch = batch_of(answer, me=ME)
    for room in (batch.position, *batch.timelines, *batch.invites, *batch.left):
        room.encode()
    for timeline in batch.timelines.values():
        for sent in timeline.events:
            to_message(sent, room_id=ROOM, me=ME)
        list(receipts_in(timeline.events, bridge=BRIDGE.bot))


@parser(
    "sync",
    edited_json([{"state": STATE}]).map(lambda said: said.get("state") if isinstance(said, dict) else said) | JSON,
)
def room_state(state: Any) -> None:
    """Whatever a room's state is, it is a portal only where the bridge itself says so."""
    facts = facts_of(ROOM, state)
    portal = portal_of(facts, bridge=BRIDGE, server=SERVER)
    for name in names_of(facts, bridge=BRIDGE, server=SERVER):
        name.encode()
    if portal is None:
        return
    assert is_heard(portal, BRIDGE) is (portal.channel == "C0OPS")
    assert facts.creator == BRIDGE.bot


@parser("sync",
    edited(
        ("@slack_t0team-u034eve:example.org", "@eve:example.org", "@slack_t0team-w1:example.org"),
        "@slack_", "T0TEAM", ":example.org", "u034eve", "uslackbot", "@eve", "ſ", "K",
    )
)  # fmt: skip
def account(sender: str) -> None:
    """Whoever is not to the letter one of a person's accounts is a stranger."""
    message = to_message({**MESSAGE, "sender": sender}, room_id=ROOM, me=ME)
    facts = facts_of(ROOM, STATE)
    slack_member(sender, bridge=BRIDGE, server=SERVER)
    if message is not None:
        person = identify(message, facts, people=[EVE], bridge=BRIDGE, server=SERVER)
        known = sender in {"@eve:example.org", "@slack_t0team-u034eve:example.org"}
        assert (person is EVE) is known
        assert known or person is STRANGER


BODIES = (
    '{"next_batch": "s1"}', '{"errcode": "M_LIMIT_EXCEEDED", "error": "slow", "retry_after_ms": 2000}',
    '{"errcode": "M_UNKNOWN_TOKEN", "error": "Unknown access token"}', "<html><h1>502 Bad Gateway</h1></html>", "",
)  # fmt: skip


@parser(
    "http-answers",
    st.tuples(
        st.integers(100, 599) | st.sampled_from([200, 401, 403, 413, 429, 502]),
        (edited(BODIES, "1e999", '"errcode"') | deep()).map(lambda said: said.encode(errors="surrogatepass"))
        | st.binary(max_size=60),
        ANY_TEXT | ODD | st.sampled_from(["5", "0.5", "²", "٣", "Wed, 21 Oct 2015 07:28:00 GMT"]),
    ),
)
def homeserver_answer(answer: tuple[int, bytes, str]) -> None:
    """Whatever answers a request is an answer or a problem of ours, and no wait is longer than five minutes."""
    status, body, header = answer
    try:
        read_answer(status, header, body)
    except OpsbotError as error:
        assert len(str(error)) < 500
        assert 0 <= getattr(error, "wait", 0) <= LONGEST_WAIT


@parser("bridge", st.tuples(edited_json([RECEIPT]) | JSON, st.integers(0, 9)))
def receipt(said: tuple[Any, int]) -> None:
    """Whatever the bridge says of a message has a verdict: to send it again before long, or to give it up."""
    sent, repeats = said
    for one in receipts_in([sent], bridge=BRIDGE.bot):
        assert len(one.problem) <= 500
        found = verdict(one.problem, repeats)
        assert not isinstance(found, Again) or 0 < found.wait <= 3600
        assert not isinstance(found, GiveUp) or is_plain(words(found.advice).body)


LOGIN = {
    "id": "T0TEAM-U0BOT",
    "name": "opsbot",
    "state_event": "CONNECTED",
    "state": {"state_event": "TRANSIENT_DISCONNECT", "timestamp": 1_700_000_000, "error": "e", "message": "m"},
}


@parser("bridge", st.lists(edited_json([LOGIN]) | JSON, max_size=3))
def bridge_state(said: list[Any]) -> None:
    """Whatever the bridge says of its logins is one plain sentence that fits a message, or all is well."""
    logins = [read_login(one) for one in said if isinstance(one, dict)]
    sentence = of_logins(logins, team="T0TEAM", now=1_700_000_100.0)
    assert len(sentence) < 2000
    assert is_plain(words(sentence).body)


JOURNAL = (
    "mautrix-slack.service: Main process exited, code=exited, status=11/n/a",
    '{"level":"fatal","error":"homeserver.address not configured","message":"Configuration error"}',
    '2026-11-25T08:00:00Z FTL Failed to open database error="no such table" component=main',
)


@parser("bridge", st.lists(edited(JOURNAL, '{"level":"fatal"', "status=", "\x1b[0m", "{}", "{0}") | deep(), max_size=6))
def bridge_journal(said: list[str]) -> None:
    """Whatever stands in the bridge's journal, how it ended is one sentence, or unknown."""
    sentence = of_ending(said)
    assert len(sentence) < 600
    assert is_plain(words(sentence).body)


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "x-forgejo-signature", "x-hub-signature-256", "authorization", "x-forgejo-delivery", "x-forgejo-event",
            "content-type", "x-hub-signature", "idempotency-key",
        ]
    )
    | ANY_TEXT,
    ANY_TEXT | ODD | st.sampled_from(["sha256=", "Bearer x", "bearer", "application/x-www-form-urlencoded", "0" * 64]),
    max_size=5,
)  # fmt: skip
PUSH = '{"ref": "refs/heads/main", "commits": [{"message": "<b>x</b>"}], "repository": {"full_name": "team/hello-bot"}}'
SECRET = "an ordinary secret of a hook"


@parser(
    "hook",
    st.tuples(
        HEADERS,
        (edited((PUSH, "payload=%7B%7D", "payload=" + PUSH), "&", "%", "=") | deep()).map(
            lambda said: said.encode(errors="surrogatepass")
        )
        | st.binary(max_size=60),
    ),
)
def hook(call: tuple[dict[str, str], bytes]) -> None:
    """Whoever does not know the secret is nobody; a body is JSON or refused with a sentence; no proof is passed on."""
    headers, body = call
    assert not genuine(headers, body, SECRET)
    assert genuine({"x-forgejo-signature": signature(body, SECRET)}, body, SECRET)
    assert not {"authorization", "x-forgejo-signature", "x-hub-signature-256"} & set(without_proof(headers))
    delivery_of(headers)
    delivery = Delivery(site=NOWHERE, plugin="p", id="1", headers=headers, body=body)
    assert isinstance(delivery.event, str)
    assert delivery.event == event_of(headers)
    try:
        delivery.json()
    except UsageError as error:
        assert is_plain(str(error))


#: A delivery is read without looking at the rest of the bot.
NOWHERE: Any = None


@parser(
    "http-answers",
    st.tuples(
        st.sampled_from(["version", "server.version", "header:Server", "a.a.a", "0"]),
        (edited(('{"server": {"version": "0.5.0"}}', '{"version": "7.0.12+gitea"}'), "{", "[") | deep()).map(
            lambda said: said.encode(errors="surrogatepass")
        )
        | st.binary(max_size=60),
    ),
)
def probe_answer(answer: tuple[str, bytes]) -> None:
    """Whatever a service answers, its version is at most a hundred characters, or it has none."""
    place, body = answer
    assert len(read_version(place, {"Server": "x" * 500}, body)) <= 100
