import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.render.text import LONGEST, clean, code, fit, join, lines, pre, table, tail, words
from opsbot.render.times import age, duration, size


def test_words_escape_and_mark_code() -> None:
    """HTML of others is shown, not obeyed; what stands between backticks is code; a new line is a break."""
    text = words("<b>`web-01`\nis & was")

    assert text.body == "<b>`web-01`\nis & was"
    assert text.html == "&lt;b&gt;<code>web-01</code><br>is &amp; was"


def test_control_characters_and_direction_marks_are_shown_as_such() -> None:
    """No escape sequence, no right-to-left mark and no invisible character gets through."""
    assert clean("a\x1b[31mb\u202ec\u200bd\re") == "a\ufffd[31mb\ufffdc\ufffdd\ufffde"


def test_blocks_bring_their_own_line_breaks() -> None:
    """Beside a block there is no second line break."""
    assert lines("a", pre("b\nc"), "d", None, "e").html == "a<pre>b\nc</pre>d<br>e"
    assert join("a ", code("b`c")).html == "a <code>b'c</code>"


def test_tail_keeps_the_last_lines_and_cuts_wide_ones() -> None:
    """A long log is its last lines; a line of any length is cut."""
    log = "\n".join([*(str(n) for n in range(30)), "x" * 5_000])

    shown = tail(log, count=3, width=10).body.split("\n")

    assert shown == ["28", "29", "xxxxxxxxx…"]


def test_columns_line_up() -> None:
    """A table is a block of columns."""
    assert table([("a", "bb"), ("ccc", "d")]).body == "a    bb\nccc  d"


def test_a_message_that_is_too_long_is_cut_without_open_tags() -> None:
    """No message is longer than the bridge takes."""
    text = fit(lines(*(words("`x` & y") for _ in range(2000))))

    assert len(text.body) <= LONGEST
    assert text.html.count("<pre>") == text.html.count("</pre>") == 1


@given(st.lists(st.text(max_size=80), max_size=8))
def test_no_text_becomes_markup(parts: list[str]) -> None:
    """Whatever is said, the HTML has only the tags of ours, and says the same as the plain words."""
    text = lines(*parts, pre(parts), *(code(part) for part in parts))

    bare = re.sub(r"</?(?:code|pre|b|br)>", "", text.html)
    assert "<" not in bare
    assert ">" not in bare
    unmarked = re.sub(r"<br>|\s|`|'", "", html.unescape(re.sub(r"</?(?:code|pre|b)>", "", text.html)))
    assert unmarked == re.sub(r"\s|`|'", "", text.body)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (59.6, "1 min"), (185, "3 min 5 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    """A duration is said with the unit that fits."""
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (200_000, "2 days ago")]
)
def test_ages(seconds: float, said: str) -> None:
    """An age is said in the largest whole unit."""
    assert age(seconds) == said


@pytest.mark.parametrize(("count", "said"), [(512, "512 B"), (2048, "2.0 KiB"), (5 * 1024**4, "5.0 TiB")])
def test_sizes(count: float, said: str) -> None:
    """A size is said in the binary unit that fits."""
    assert size(count) == said
