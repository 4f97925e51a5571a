"""Whatever people type: the parts that read it never fail, and what they answer stays text."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.addressed import Call, Ear
from opsbot.errors import UsageError
from opsbot.typed import option_in, shown, split

EAR = Ear("!", "@opsbot:example.org")
#: Pieces that mean something to one of the readers, so that generated text gets past their first look.
PIECES = st.sampled_from(
    [
        "!",
        "@opsbot",
        "opsbot:",
        "help",
        "deploy",
        "--",
        "—",
        "-",
        "=",
        '"',
        "'",
        "“",
        "’",
        "\\",
        " ",
        "\n",
        "\u202e",
        "\0",
    ]
)
TYPED = st.lists(PIECES | st.text(max_size=10), max_size=20).map("".join)


@settings(deadline=None)
@given(TYPED)
def test_no_text_breaks_the_ear(body: str) -> None:
    """Whatever is said is a call or talk; a call by its own name or after the prefix."""
    call = EAR.hear(body)

    if call is not None:
        assert call.name == call.name.lower()
        assert "opsbot" in body.lower() or body.strip().startswith("!")


@settings(deadline=None)
@given(TYPED)
def test_no_text_breaks_the_splitter(text: str) -> None:
    """Whatever is typed is split into words that hold nothing but what was typed, or answered with a sentence."""
    with suppress(UsageError):
        for word in split(text):
            option_in(word)
            assert len(shown(word)) <= 60
            assert "`" not in shown(word)
            assert "\n" not in shown(word)


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), st.text(max_size=50))
def test_what_follows_the_prefix_is_what_was_said(name: str, rest: str) -> None:
    """After the prefix and a word of letters stands the rest, as it was typed."""
    call = EAR.hear(f"!a{name} {rest}")

    assert call == Call(name=f"a{name}".lower(), rest=rest.strip())


@pytest.mark.parametrize(
    "body",
    ["!", "@opsbot", "opsbot:", "OPSBOT?"],
)
def test_a_bare_call_has_no_name(body: str) -> None:
    """The prefix or the bot's name alone asks for nothing yet."""
    assert EAR.hear(body) == Call(name="", by_name=True)


@pytest.mark.parametrize(
    "body", ["", "!!!", "!1", "! hello", "opsbot is nice", "ask @opsbot", "!slack help", "!admin x"]
)
def test_talk_is_no_call(body: str) -> None:
    """What only looks like a call, and what is for the neighbours, is left alone."""
    assert EAR.hear(body) is None


@pytest.mark.parametrize(
    ("body", "name", "rest"),
    [
        ("!Deploy hello-bot", "deploy", "hello-bot"),
        ("!déploie x", "déploie", "x"),
        ("@opsbot: deploy x", "deploy", "x"),
        ("@opsbot:example.org, !deploy x", "deploy", "x"),
        ("opsbot,  deploy x", "deploy", "x"),
        ("@opsbot 42", "42", ""),
        ("@opsbot please deploy x", "deploy", "x"),
        ("!thanks!", "thanks", ""),
        ("Thank you, opsbot!", "thank", ""),
        ("hi @opsbot", "hi", ""),
    ],
)
def test_a_call_has_a_name_and_a_rest(body: str, name: str, rest: str) -> None:
    """Prefix, account, short name and courtesies all call the bot."""
    call = EAR.hear(body)

    assert call is not None
    assert (call.name, call.rest) == (name, rest)
