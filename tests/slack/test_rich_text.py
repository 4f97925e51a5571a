"""The stand-in's rich text against the real one's, which was seen from mautrix-slack v26.08."""

import pytest

from opsbot.mautrix.toslack import blocks_of
from opsbot.model import Json
from opsbot.render.text import pre, tail
from opsbot.workspace.model import RefusedError
from opsbot.workspace.richtext import Eyes
from opsbot.workspace.rules import check_message

ALICE = "@slack_t0team-u0alice:example.org"
TO_ALICE = f'<a href="https://matrix.to/#/{ALICE}">Alice</a>'


def seen(html: str, mentions: Json = None) -> str:
    """Return what a member of Slack sees of a message that names whom it MENTIONS."""
    content = {"msgtype": "m.text", "body": "x", "format": "org.matrix.custom.html", "formatted_body": html}
    named = {} if mentions is None else {"m.mentions": mentions}
    return Eyes({"U0ALICE": "Alice"}, {}).see(blocks_of(content | named, {ALICE: "U0ALICE"}), "")


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("x.py z.id foo.md t.local", "x.py z.id foo.md t.local"),
        ("q.nu w.tt", "[q.nu](http://q.nu) [w.tt](http://w.tt)"),
        ("s.lan a_b.in", "[s.la](http://s.la)n a_[b.in](http://b.in)"),
        ("<strike>a</strike> <ins>b</ins>", "~a~ b"),
        ("<pre>\nfirst</pre>", "```\nfirst\n```"),
        ("<blockquote><p>q</p><p>r</p></blockquote>", "> q\n> r"),
        ("a\nb<br>c", "ab\nc"),
        ("@room", "@room"),
        (TO_ALICE, "@Alice"),
    ],
)
def test_what_is_shown_is_what_the_real_one_shows(html: str, words: str) -> None:
    """Links of what looks like a host, marks, quotations and blocks are what the real bridge makes of them."""
    assert seen(html) == words


def test_nobody_is_told_who_is_not_named() -> None:
    """A link to a member or `@room` notifies people only where the message's own list of mentions has them."""
    assert seen(f"{TO_ALICE} @room", {}) == "Alice @room"
    assert seen(TO_ALICE, {"user_ids": [ALICE]}) == "@Alice"
    assert seen("@room", {"room": True}) == "@channel!"


@pytest.mark.parametrize("html", ["", "<pre></pre>x"])
def test_an_empty_block_is_refused(html: str) -> None:
    """Of nothing, and of a block without words, the bridge makes what Slack does not take."""
    content = {"msgtype": "m.text", "body": "x", "format": "org.matrix.custom.html", "formatted_body": html}
    with pytest.raises(RefusedError, match="invalid_blocks"):
        check_message("", blocks_of(content, {}))


def test_an_answer_has_no_empty_block() -> None:
    """A block of nothing is nothing: a message with one would not arrive at all."""
    assert pre("\n").html == ""
    assert tail([]).html == ""
