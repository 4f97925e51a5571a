"""Whatever a homeserver sends: it is read or passed over, and never fails."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.errors import OpsbotError
from opsbot.matrix.client import LONGEST_WAIT, read_answer
from opsbot.matrix.events import LONGEST, batch_of, facts_of, said_in, to_message
from opsbot.matrix.html import words_of
from opsbot.matrix.problems import HomeserverUnwellError

ME = "@opsbot:test.local"
ROOM = "!ops:test.local"

#: Keys that the readers look at, so that generated JSON gets past their first look.
KEYS = st.sampled_from(
    [
        "type",
        "content",
        "body",
        "formatted_body",
        "format",
        "msgtype",
        "event_id",
        "sender",
        "origin_server_ts",
        "m.relates_to",
        "rel_type",
        "state_key",
        "unsigned",
        "rooms",
        "join",
        "invite",
        "leave",
        "timeline",
        "events",
        "limited",
        "prev_batch",
        "next_batch",
        "invite_state",
        "network",
        "id",
        "retry_after_ms",
        "errcode",
        "error",
    ]
)
WORDS = st.sampled_from(["m.room.message", "m.text", "m.thread", "m.replace", "org.matrix.custom.html", "m.bridge", ME])
ANY_CHARACTER = st.text(st.characters(exclude_categories=[]), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | ANY_CHARACTER | WORDS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=6)
)
CONTENT = st.fixed_dictionaries(
    {"msgtype": st.just("m.text")}, optional={"body": JSON, "formatted_body": JSON, "m.relates_to": JSON}
)
EVENT = st.fixed_dictionaries(
    {"type": st.just("m.room.message"), "event_id": st.just("$1") | ANY_CHARACTER, "sender": st.just("@ada:x") | JSON},
    optional={
        "origin_server_ts": st.integers() | st.just(1_700_000_000_000),
        "content": CONTENT | JSON,
        "unsigned": JSON,
    },
)


@settings(deadline=None)
@given(JSON | EVENT)
def test_any_json_is_an_event_or_passed_over(event: Any) -> None:
    """Whatever stands where an event should be is read as a message that can be stored, or says nothing."""
    message = to_message(event, room_id=ROOM, me=ME)

    if message is not None:
        assert 0 < len(message.body) <= LONGEST
        for words in (message.event_id, message.sender, message.body, message.html or "", message.thread or ""):
            assert "\0" not in words
            assert words.encode()


@settings(deadline=None)
@given(JSON)
def test_any_json_is_a_batch(answer: Any) -> None:
    """Whatever answers a sync is read; what makes no sense in it is left out."""
    batch = batch_of(answer, me=ME)

    assert batch.position.encode() is not None
    assert all(room.encode() is not None for room in (*batch.timelines, *batch.invites, *batch.left))


@settings(deadline=None)
@given(st.lists(JSON) | JSON)
def test_any_json_is_a_rooms_state(state: Any) -> None:
    """Whatever answers the question for a room's state is read."""
    assert facts_of(ROOM, state).room_id == ROOM


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<a href='https://matrix.to/#/@opsbot:x'>", "</a>", "<blockquote>", "</blockquote>", "<pre>", "<br>"]
        )
        | st.sampled_from(["<", "</", "&amp", "&#", "<!--", "<![CDATA[", "<?", "<script>", "<mx-reply>", "</p>"])
        | st.text(max_size=8),
        max_size=30,
    ).map("".join)
)
def test_any_html_is_read(html: str) -> None:
    """Whatever a message's HTML is, there is text in it or none."""
    assert words_of(html) == words_of(html).strip()


@settings(deadline=None)
@given(
    st.integers(100, 599),
    JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50),
    st.text(max_size=8),
)
def test_any_answer_is_an_answer_or_a_problem(status: int, body: bytes, header: str) -> None:
    """Whatever answers a request is an answer or one of our own problems, and no wait is longer than five minutes."""
    try:
        read_answer(status, header, body)
    except OpsbotError as error:
        problem: OpsbotError | None = error
    else:
        problem = None

    assert len(str(problem)) < 500
    assert 0 <= getattr(problem, "wait", 0) <= LONGEST_WAIT


@pytest.mark.parametrize(
    "milliseconds", ["NaN", "Infinity", "-Infinity", "1" + "0" * 400, "-5", '"soon"', "null", "[]"]
)
def test_a_wait_that_makes_no_sense_is_a_short_one(milliseconds: str) -> None:
    """A homeserver that wants to be left alone for no sensible time is left alone for a sensible one."""
    with pytest.raises(HomeserverUnwellError) as caught:
        read_answer(429, "", f'{{"retry_after_ms": {milliseconds}}}'.encode())

    assert 0 <= caught.value.wait <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<a href="https://matrix.to/#/@opsbot:test.local">Ops Bot</a>: deploy x', "@opsbot:test.local: deploy x"),
        ('<a href="https://matrix.to/#/%40opsbot%3Atest.local">Ops</a> deploy x', "@opsbot:test.local deploy x"),
        ('<a href="https://matrix.to/#/@eve:x?via=x">Eve</a>', "@eve:x"),
        ('<a href="matrix:u/eve:x">Eve</a> said', "@eve:x said"),
        ('<a href="https://matrix.to/#/!room:x/$event">there</a>', "there"),
        ('<a href="https://example.org/@eve:x">page</a>', "page"),
    ],
)
def test_a_mention_is_the_account_that_it_links_to(html: str, expected: str) -> None:
    """A name that links to an account is that account, whatever it shows."""
    assert words_of(html) == expected


@pytest.mark.parametrize("body", ["!\u200bdeploy \u202ehello-bot\ufeff", "\u2066!deploy hello-bot"])
def test_what_nobody_sees_is_not_heard(body: str) -> None:
    """Marks without width and those that turn the direction of writing are no part of a command."""
    assert said_in({"body": body}) == "!deploy hello-bot"


def test_what_no_database_takes_is_replaced() -> None:
    """Half a character and a NUL, which JSON can say and a database cannot hold, are shown as something unreadable."""
    event = json.loads(
        r"""{"type": "m.room.message", "event_id": "$1\ud800", "sender": "@ada\u0000:x", "origin_server_ts": 1,
        "content": {"msgtype": "m.text", "body": "!hello \udfff\u0000"}}"""
    )

    message = to_message(event, room_id=ROOM, me=ME)
    batch = batch_of({"next_batch": "s\0", "rooms": {"join": {"!\ud800": {}}, "leave": {"!\0": {}}}}, me=ME)

    assert message is not None
    assert (message.event_id, message.sender, message.body) == ("$1\ufffd", "@ada\ufffd:x", "!hello \ufffd\ufffd")
    assert (batch.position, [*batch.timelines], [*batch.left]) == ("s\ufffd", ["!\ufffd"], ["!\ufffd"])


def test_of_a_huge_message_the_beginning_is_kept() -> None:
    """A text of 60 kB is kept as its first characters, and so much HTML is not read at all."""
    html = {"format": "org.matrix.custom.html", "formatted_body": "<a" * 30_000}

    assert said_in({"body": "x" * 60_000}) == "x" * LONGEST
    assert said_in({"body": "!hello", **html}) == "!hello"
