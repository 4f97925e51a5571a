import json
from collections.abc import Callable

import pytest

from opsbot.bridge.manifest import manifest
from opsbot.workspace.api import Api
from opsbot.workspace.model import Channel, Json, Member, RefusedError, TooFastError
from opsbot.workspace.rules import Pace
from opsbot.workspace.team import Team


class Desk:
    """A workspace without its network: Alice and the app in #ops, a clock that is wound by hand."""

    def __init__(self, *, without: str = "") -> None:
        whole = manifest("opsbot")
        whole["oauth_config"]["scopes"]["bot"].remove(without) if without else None
        self.now = 0.0
        self.team = Team(whole)
        self.alice: Member = self.team.add_member("Alice")
        self.ops: Channel = self.team.add_channel("ops", self.alice)
        self.api = Api(team=self.team, pace=Pace(lambda: self.now))
        self.events: list[Json] = []
        self.team.listeners.append(lambda _, event: self.events.append(event))

    def post(self, words: str, **more: str) -> Json:
        """Post words as the app, as the bridge does."""
        return self.api.answer("chat.postMessage", {"channel": self.ops.id, "blocks": json.dumps(rich(words)), **more})


def rich(words: str) -> list[Json]:
    """Return blocks with these words in one section."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": words}]}
    return [{"type": "rich_text", "elements": [section]}]


def refused(do: Callable[[], Json]) -> str:
    """Return the code with which Slack refuses something."""
    with pytest.raises(RefusedError) as refusal:
        do()
    return refusal.value.code


def test_blocks_that_are_too_long_are_refused() -> None:
    """Slack takes no message whose blocks have more than 13,200 characters of JSON."""
    desk = Desk()
    assert refused(lambda: desk.post("x" * 13_200)) == "msg_blocks_too_long"
    desk.post("x" * 13_000)


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        ([], "no_text"),
        ([{"type": "rich_text", "elements": None}], "invalid_blocks"),
        ([{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": None}]}], "invalid_blocks"),
        (rich("x") * 51, "invalid_blocks"),
    ],
)
def test_what_shows_nothing_is_refused(blocks: Json, code: str) -> None:
    """Slack takes no message without words, and no blocks that are none."""
    desk = Desk()
    form = {"channel": desk.ops.id, "blocks": json.dumps(blocks)}
    assert refused(lambda: desk.api.answer("chat.postMessage", form)) == code


def test_one_message_a_second_in_a_channel() -> None:
    """A second message to a channel within a second is told to wait, and taken afterwards."""
    desk = Desk()
    desk.post("one")
    with pytest.raises(TooFastError) as wait:
        desk.post("two")
    desk.now += wait.value.wait
    desk.post("two")
    assert [seen.text for seen in desk.team.see(desk.ops)] == ["one", "two"]


def test_fifty_edits_a_minute() -> None:
    """The fifty-first edit within a minute has to wait until the first one is a minute old."""
    desk = Desk()
    ts = desk.post("0")["ts"]
    form = {"channel": desk.ops.id, "ts": ts, "blocks": json.dumps(rich("1"))}
    for _ in range(50):
        desk.api.answer("chat.update", form)
    with pytest.raises(TooFastError) as wait:
        desk.api.answer("chat.update", form)
    desk.now += wait.value.wait
    desk.api.answer("chat.update", form)
    assert desk.team.see(desk.ops)[0].edits == 51


@pytest.mark.parametrize(
    ("method", "scope"),
    [("chat.postMessage", "chat:write"), ("reactions.add", "reactions:write"), ("users.info", "users:read")],
)
def test_without_its_scope_a_method_is_refused(method: str, scope: str) -> None:
    """An app may do what its manifest asks for, and nothing else; the refusal names the scope."""
    desk = Desk(without=scope)
    with pytest.raises(RefusedError) as refusal:
        desk.api.answer(method, {"channel": desk.ops.id, "user": desk.alice.id})
    assert (refusal.value.code, refusal.value.more["needed"]) == ("missing_scope", scope)


def test_an_event_that_is_not_subscribed_to_is_not_told() -> None:
    """Slack tells an app only what its manifest subscribes to."""
    whole = manifest("opsbot")
    whole["settings"]["event_subscriptions"]["bot_events"].remove("reaction_added")
    team = Team(whole)
    told: list[str] = []
    team.listeners.append(lambda kind, _: told.append(kind))
    alice = team.add_member("Alice")
    ops = team.add_channel("ops", alice)
    team.react(alice, ops, team.say(alice, ops, "hello"), "wave")
    assert told == ["message.channels"]


def test_unknown_emoji_channels_and_strangers() -> None:
    """Slack refuses emoji that it does not know, channels that are not there, and messages to where the app is not."""
    desk = Desk()
    ts = desk.team.say(desk.alice, desk.ops, "hello")
    reaction = {"channel": desk.ops.id, "timestamp": ts, "name": "approve"}
    assert refused(lambda: desk.api.answer("reactions.add", reaction)) == "invalid_name"
    assert refused(lambda: desk.api.answer("conversations.info", {"channel": "C0NONE"})) == "channel_not_found"
    desk.ops.members.remove(desk.team.app.user)
    assert refused(lambda: desk.post("hello")) == "not_in_channel"


def test_nobody_changes_what_somebody_else_said() -> None:
    """An app edits and deletes its own messages only."""
    desk = Desk()
    form = {"channel": desk.ops.id, "ts": desk.team.say(desk.alice, desk.ops, "hello"), "blocks": json.dumps(rich("x"))}
    assert refused(lambda: desk.api.answer("chat.update", form)) == "cant_update_message"
    assert refused(lambda: desk.api.answer("chat.delete", form)) == "cant_delete_message"


def test_a_file_is_announced_brought_and_shown() -> None:
    """A file is seen in the channel once its content was brought, and the app is told that it is there."""
    desk = Desk()
    announced = desk.api.answer("files.getUploadURLExternal", {"filename": "log.txt", "length": "3"})
    shown = {"channel_id": desk.ops.id, "files": json.dumps([{"id": announced["file_id"], "title": "log"}])}
    assert refused(lambda: desk.api.answer("files.completeUploadExternal", shown)) == "file_not_found"
    desk.api.files.bring(announced["file_id"], b"abc")
    desk.api.answer("files.completeUploadExternal", shown)
    assert [event["type"] for event in desk.events] == ["file_created", "message"]
    assert desk.ops.posts[-1].files[0]["title"] == "log"


def test_what_a_member_types_becomes_rich_text() -> None:
    """Slack's editor makes links of names that look like a host's, and code of what stands between backticks."""
    desk = Desk()
    desk.team.say(desk.alice, desk.ops, "!deploy web-01.example.com `now` <@U0BOT> :tada:")
    said = desk.ops.posts[-1]
    assert said.text == "!deploy <http://web-01.example.com|web-01.example.com> `now` <@U0BOT> :tada:"
    seen = desk.team.see(desk.ops)[-1].text
    assert seen == "!deploy [web-01.example.com](http://web-01.example.com) `now` @opsbot :tada:"


def test_every_kind_of_block_is_seen() -> None:
    """Lists, quotations, blocks of fixed width, mentions and broadcasts are read as a member sees them."""
    desk = Desk()
    text = [{"type": "text", "text": "a", "style": {"bold": True}}, {"type": "broadcast", "range": "channel"}]
    item = {"type": "rich_text_section", "elements": [{"type": "channel", "channel_id": desk.ops.id}]}
    blocks = [
        {"type": "rich_text_section", "elements": text},
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "b\nc"}]},
        {"type": "rich_text_quote", "elements": [{"type": "text", "text": "d\ne"}]},
        {"type": "rich_text_list", "style": "ordered", "elements": [item, item]},
        {"type": "rich_text_list", "style": "bullet", "indent": 1, "elements": [item]},
    ]
    whole = json.dumps([{"type": "rich_text", "elements": blocks}])
    desk.api.answer("chat.postMessage", {"channel": desk.ops.id, "blocks": whole})
    expected = "*a*@channel!\n```\nb\nc\n```\n> d\n> e\n1. #ops\n2. #ops\n  • #ops"
    assert desk.team.see(desk.ops)[0].text == expected
