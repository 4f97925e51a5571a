import json
from datetime import UTC, datetime
from typing import Any

import pytest

from opsbot.letters import Letter
from opsbot.matrix.content import LARGEST, content_of
from opsbot.matrix.events import batch_of, facts_of, to_message
from opsbot.model import Message, Post, Text

ME = "@opsbot:test.local"
ROOM = "!ops:test.local"


def event(**changes: Any) -> dict[str, Any]:
    """An event that asks for something; CHANGES go into its content, or into itself when they begin with a `_`."""
    content = {"msgtype": "m.text", "body": "!hello", "m.mentions": {}}
    content |= {key: value for key, value in changes.items() if not key.startswith("_")}
    outer = {key[1:]: value for key, value in changes.items() if key.startswith("_")}
    return {
        "type": "m.room.message",
        "event_id": "$1",
        "sender": "@ada:test.local",
        "origin_server_ts": 1_700_000_000_000,
        "content": content,
        **outer,
    }


def heard(raw: Any) -> Message | None:
    """What the bot hears of an event."""
    return to_message(raw, room_id=ROOM, me=ME)


def words(**content: Any) -> str | None:
    """The words that the bot hears in a content."""
    message = heard(event(**content))
    return None if message is None else message.body


def html(words: str) -> dict[str, str]:
    """The parts of a content that make it formatted."""
    return {"format": "org.matrix.custom.html", "formatted_body": words}


def test_a_text_is_a_message() -> None:
    """What somebody says is read with who said it, where and when."""
    assert heard(event()) == Message(
        event_id="$1",
        room_id=ROOM,
        sender="@ada:test.local",
        body="!hello",
        sent_at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize("kind", ["m.file", "m.image", "m.video", "m.audio"])
def test_what_is_said_beside_a_file_is_heard(kind: str) -> None:
    """Somebody may attach a picture to a command, as in Slack; a file alone says nothing, whatever its name is."""
    assert words(msgtype=kind, filename="screen.png", body="!status") == "!status"


def reaction(key: Any, **more: Any) -> dict[str, Any]:
    """A reaction to the event $0."""
    relation = {"rel_type": "m.annotation", "event_id": "$0", "key": key}
    return event() | {"type": "m.reaction", "content": {"m.relates_to": relation, **more}}


@pytest.mark.parametrize(
    ("raw", "sign"),
    [
        (reaction("✅"), "✅"),
        (reaction("✅\ufe0f"), "✅"),
        (reaction("❌\ufe0f"), "❌"),
        (reaction("✅\U0001f3fd"), "✅"),
        (reaction("mxc://test.local/1", **{"com.beeper.reaction.shortcode": ":white_check_mark:"}), "✅"),
        (reaction(":x:"), "❌"),
        (reaction(":white_check_mark::skin-tone-3:"), "✅"),
        (reaction(":white_check_mark::skin-tone-3"), None),
        (reaction("::skin-tone-3:"), None),
        (reaction("👍"), None),
        (reaction("✅✅"), None),
        (reaction(7), None),
        (reaction("✅") | {"state_key": ""}, None),
        (reaction("✅") | {"sender": ME}, None),
        (reaction("✅") | {"unsigned": {"redacted_because": {}}}, None),
        (event() | {"type": "m.reaction", "content": {}}, None),
        (event() | {"type": "m.reaction", "content": {"m.relates_to": {"event_id": "$0", "key": "✅"}}}, None),
    ],
)
def test_a_yes_and_a_no_are_the_only_reactions(raw: dict[str, Any], sign: str | None) -> None:
    """✅ and ❌ are heard as phones and Slack write them, with what they are a reaction to; all others mean nothing."""
    message = heard(raw)
    assert (message and (message.body, message.reacts_to)) == (sign and (sign, "$0"))


@pytest.mark.parametrize(
    "raw",
    [
        event(_sender=ME),
        event(msgtype="m.notice"),
        event(msgtype="m.emote"),
        event(msgtype="m.file"),
        event(msgtype="m.file", filename="!hello"),
        event(msgtype="m.file", filename=5),
        event(msgtype=["m.file"], filename="a.txt"),
        event(**{"m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}, "m.new_content": {"body": "!deploy"}}),
        event(**{"m.new_content": {"body": "!deploy"}}),
        event(**{"com.beeper.per_message_profile": {"displayname": "Ada", "has_fallback": True}}),
        event(_unsigned={"redacted_because": {"type": "m.room.redaction"}}),
        event(_content={}),
        event(_type="m.room.encrypted"),
        event(_state_key=""),
    ],
    ids=[
        "own",
        "notice",
        "emote",
        "file",
        "named as it says",
        "no name",
        "no kind",
        "edit",
        "edit-content",
        "profile",
        "redacted",
        "empty",
        "encrypted",
        "state",
    ],
)
def test_only_what_a_person_said_first_hand_is_run(raw: Any) -> None:
    """Own events, notices, emotes, files, edits, borrowed names and deleted messages are never run."""
    assert heard(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "event",
        {},
        event(_content=None),
        event(_content="!hello"),
        event(_event_id=7),
        event(_sender=None),
        event(_sender=""),
        event(_origin_server_ts="now"),
        event(_origin_server_ts=-1),
        event(_origin_server_ts=10**18),
        event(_origin_server_ts=None),
        event(body=None),
        event(body=["!hello"]),
        event(body="   "),
        event(**html("<mx-reply>!deploy x</mx-reply>")),
    ],
)
def test_garbage_says_nothing(raw: Any) -> None:
    """An event that is not made as the protocol says is passed over."""
    assert heard(raw) is None


@pytest.mark.parametrize(
    "relation", [None, "thread", {"rel_type": "m.thread"}, {"rel_type": "m.thread", "event_id": 5}]
)
def test_a_strange_relation_is_no_thread(relation: Any) -> None:
    """A relation that cannot be read does not keep a command from being heard."""
    message = heard(event(**{"m.relates_to": relation}))
    assert message is not None
    assert message.thread is None


def test_a_command_in_a_thread_knows_its_thread() -> None:
    """An answer can go where the command was."""
    relation = {"rel_type": "m.thread", "event_id": "$root", "is_falling_back": True}
    message = heard(event(**{"m.relates_to": relation}))
    assert message is not None
    assert message.thread == "$root"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("!hello", "!hello"),
        ("  !hello \n", "!hello"),
        ("> <@eve:x> !deploy prod\n\n!status", "!status"),
        ("> <@eve:x> !deploy prod\n> second\n\n!status", "!status"),
        (">!deploy prod", None),
        ("> !deploy prod\nlooks good", "looks good"),
        ("yes\n> no", "yes\n> no"),
        ("!deploy x --reason 'a > b'", "!deploy x --reason 'a > b'"),
    ],
)
def test_quoted_lines_are_not_what_was_said(body: str, expected: str | None) -> None:
    """Of a reply only the answer is read, not what it quotes."""
    assert words(body=body) == expected


@pytest.mark.parametrize(
    ("formatted", "expected"),
    [
        ('!deploy <a href="http://web-01.example.com">web-01.example.com</a>', "!deploy web-01.example.com"),
        ("!deploy <code>hello-bot</code>", "!deploy hello-bot"),
        ("!deploy <strong>hello</strong>-bot", "!deploy hello-bot"),
        ("!hello<br>second", "!hello\nsecond"),
        ("!hello<br/>second", "!hello\nsecond"),
        ("<p>!hello</p><p>second</p>", "!hello\nsecond"),
        ("!deploy\n   hello-bot", "!deploy hello-bot"),
        ("!deploy&nbsp;x &lt;y&gt; &amp;", "!deploy x <y> &"),
        ("<pre><code>a\n  b\n</code></pre>", "a\nb"),
        ("<mx-reply><blockquote>!deploy x</blockquote></mx-reply>!status", "!status"),
        ("<blockquote>!deploy x</blockquote>!status", "!status"),
        ("<blockquote><blockquote>!deploy x</blockquote>!deploy y</blockquote>!status", "!status"),
        ("<blockquote>!deploy x", None),
        ("<ol><li>!deploy x</li></ol>", "- !deploy x"),
        ("<!-- !deploy x -->!status", "!status"),
        ("<script>!deploy x</script>!status", "!status"),
        ("</p></blockquote></pre>!status", "!status"),
        ("", "!plain"),
    ],
)
def test_the_html_form_is_read_as_it_looks(formatted: str, expected: str | None) -> None:
    """Links are undone, quotations left out, and line breaks are where the reader sees them."""
    assert words(body="!plain", **html(formatted)) == expected


def test_unknown_formats_are_not_read() -> None:
    """Only Matrix's own HTML is read; any other format leaves the plain words."""
    assert words(body="!plain", format="text/markdown", formatted_body="!other") == "!plain"


def test_a_slack_link_in_the_body_is_read_from_the_html() -> None:
    """Slack turns host names into links; what was typed is what counts."""
    body = "!deploy [web-01.example.com](http://web-01.example.com)"
    formatted = '!deploy <a href="http://web-01.example.com">web-01.example.com</a>'
    assert words(body=body, **html(formatted)) == "!deploy web-01.example.com"


def test_a_rooms_state_is_read_once() -> None:
    """A room's maker, its encryption, its kind and its bridges come from its state."""
    bridge = {"network": {"id": "T0TEAM"}}
    state = [
        {"type": "m.room.create", "sender": "@slackbot:test.local", "state_key": "", "content": {"type": "m.space"}},
        {"type": "m.room.encryption", "sender": "@x:y", "state_key": "", "content": {}},
        {"type": "m.bridge", "sender": "@slackbot:test.local", "state_key": "test.local/slack", "content": bridge},
        {"type": "m.room.name", "content": None},
        None,
    ]
    facts = facts_of(ROOM, state)
    assert (facts.creator, facts.encrypted, facts.is_space) == ("@slackbot:test.local", True, True)
    assert facts.bridges == (("@slackbot:test.local", "test.local/slack", bridge),)


def test_a_sync_is_read_room_by_room() -> None:
    """A batch has its position, timelines, invitations and the rooms that were left."""
    invite = {"type": "m.room.member", "state_key": ME, "sender": "@ada:test.local", "content": {}}
    batch = batch_of(
        {
            "next_batch": "s2",
            "rooms": {
                "join": {ROOM: {"timeline": {"events": [event()], "limited": True, "prev_batch": "s1"}}},
                "invite": {"!new:x": {"invite_state": {"events": [invite]}}, "!odd:x": {"invite_state": 3}},
                "leave": {"!old:x": {}},
            },
        },
        me=ME,
    )
    assert batch.position == "s2"
    assert batch.timelines[ROOM].before == "s1"
    assert batch.timelines[ROOM].limited
    assert batch.invites == {"!new:x": "@ada:test.local"}
    assert batch.left == {"!old:x"}


@pytest.mark.parametrize("answer", [None, [], {"rooms": []}, {"next_batch": 5, "rooms": {"join": {ROOM: None}}}])
def test_a_sync_that_makes_no_sense_has_no_position(answer: Any) -> None:
    """An answer that is no sync never moves the bot on."""
    assert batch_of(answer, me=ME).position == ""


def letter(body: str = "done", *, thread: str | None = None, target: str | None = None) -> Letter:
    """A letter on its way."""
    post = Post(cause="c", room_id=ROOM, text=Text(body=body, html=f"<b>{body}</b>"), thread=thread)
    return Letter(post=post, transaction="t", target=target)


def test_an_answer_is_a_text_that_mentions_nobody() -> None:
    """Answers are m.text, since bridges drop notices, and call nobody by name."""
    assert content_of(letter()) == {
        "msgtype": "m.text",
        "body": "done",
        "m.mentions": {},
        "format": "org.matrix.custom.html",
        "formatted_body": "<b>done</b>",
    }


@pytest.mark.parametrize("words", ["!slack logout", " !admin users list", "\\!admin debug"])
def test_no_answer_is_a_command_of_our_neighbours(words: str) -> None:
    """Whatever somebody makes the bot repeat, it is no command of the bridge or the homeserver in the bot's name."""
    post = Post(cause="c", room_id=ROOM, text=Text(body=words, html=words))
    content = content_of(Letter(post=post, transaction="t"))
    assert (content["body"], content["formatted_body"]) == (f"> {words}", f"&gt; {words}")


def test_an_answer_hangs_on_its_thread() -> None:
    """An answer in a thread is one for clients that know threads, and a reply for those that do not."""
    assert content_of(letter(thread="$root"))["m.relates_to"] == {
        "rel_type": "m.thread",
        "event_id": "$root",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$root"},
    }


def test_an_edit_says_what_it_replaces() -> None:
    """An edit carries the new words, and for old clients a star before them."""
    content = content_of(letter(target="$old", thread="$root"))
    assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$old"}
    assert content["body"] == "* done"
    assert content["m.new_content"]["body"] == "done"
    assert "m.relates_to" not in content["m.new_content"]


@pytest.mark.parametrize("sign", ["x", "ä", "\U0001f680", '"', "\n"])
@pytest.mark.parametrize("target", [None, "$old"])
def test_no_event_is_larger_than_a_homeserver_takes(sign: str, target: str | None) -> None:
    """A text that is too long for an event is cut, and says so."""
    content = content_of(letter(sign * 80_000, target=target))
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= LARGEST
    assert content["body"].endswith("too long for a message)")
