import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.onhost import grammar
from opsbot.onhost.errors import HostError
from opsbot.onhost.verbs import VERBS, request

SYSTEM = "/nix/store/" + "0" * 32 + "-nixos-system-ops-jrz1-24.05"


@pytest.mark.parametrize("name", ["main", "v1.0", "feature/warm-greeting", "a" * 40, "release-24.05", "c++"])
def test_names_that_git_takes_are_revisions(name: str) -> None:
    """Branches, tags and commits with the usual letters are revisions."""
    assert request("prepare", {"job": "job1", "project": "hello-bot", "revision": name})["revision"] == name


@pytest.mark.parametrize(
    "name", ["-x", "--help", "a..b", "a b", "a;b", "a//b", "x.lock", "a/.b", "main\n", "@{u}", "~1", "", "x" * 101]
)
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    """Options, ranges, paths and shell words are no revisions."""
    with pytest.raises(HostError):
        request("prepare", {"job": "job1", "project": "hello-bot", "revision": name})


@pytest.mark.parametrize("job", ["", "j", "Job1", "1job", "a" * 33, "../job", "job1\n", "job 1"])
def test_ids_that_are_no_jobs_are_refused(job: str) -> None:
    """A job's id is lower-case letters and digits, and nothing that a path or a unit could be made of."""
    with pytest.raises(HostError):
        request("state", {"job": job})


@pytest.mark.parametrize("window", [29, 3601, True, 60.0, "60", -1])
def test_windows_outside_their_range_are_refused(window: Any) -> None:
    """A window is a whole number of seconds from 30 to 3600."""
    with pytest.raises(HostError):
        request("activate", {"job": "job1", "base": SYSTEM, "window": window})


@pytest.mark.parametrize(
    ("said", "taken"), [("two\nlines", "two lines"), (" a\x1b[31mb\u2028", "a [31mb"), ("x" * 400, "x" * 300)]
)
def test_a_persons_words_become_one_plain_line(said: str, taken: str) -> None:
    """Whatever is in a reason, it becomes one line without control characters and never stops anybody going back."""
    assert request("revert", {"job": "job1", "reason": said})["reason"] == taken
    assert request("revert", {"job": "job1", "reason": taken})["reason"] == taken


def test_what_is_not_said_has_its_default() -> None:
    """Arguments that are left out have their defaults, so that a request is the same with and without them."""
    assert request("logs", {"unit": "nginx.service"}) == {"unit": "nginx.service", "lines": 50}
    assert grammar.read(b"") == grammar.read(b" \n") == {}


def test_numbers_that_are_none_are_refused() -> None:
    """NaN, which JSON does not have, reaches nothing."""
    with pytest.raises(HostError):
        request("rollback", {"job": "job1", "base": SYSTEM, **grammar.read(b'{"generation": NaN}')})


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever is sent as arguments becomes an object or a refusal, never a crash."""
    code = "bad-request"
    try:
        assert isinstance(grammar.read(data), dict)
    except HostError as error:
        code = error.code
    assert code == "bad-request"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = sorted({argument.name for verb in VERBS.values() for argument in verb.arguments})


@given(st.sampled_from(sorted(VERBS)), st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=4))
def test_any_arguments_are_checked_or_refused(verb: str, said: dict[str, Any]) -> None:
    """Every verb takes what its grammar says and refuses the rest with a sentence."""
    try:
        checked = request(verb, said)
    except HostError as error:
        refused = (error.code, bool(error.message))
    else:
        refused = ("bad-request", True)
        assert set(checked) == {argument.name for argument in VERBS[verb].arguments}
        assert request(verb, {key: value for key, value in checked.items() if value not in (None, ())}) == checked
    assert refused == ("bad-request", True)


def test_nesting_without_end_is_refused() -> None:
    """A request that is nested too deeply to be read is refused."""
    with pytest.raises(HostError):
        grammar.read(b"[" * 60000)


def test_a_note_in_any_language_is_kept() -> None:
    """A note may be written in any language."""
    said = {"job": "job1", "project": "hello-bot", "note": "weil es brennt: 直して"}
    assert request("prepare", json.loads(json.dumps(said)))["note"] == "weil es brennt: 直して"
