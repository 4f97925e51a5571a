import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.render.text import (
    LONGEST,
    WIDEST,
    bold,
    clean,
    code,
    columns,
    fit,
    join,
    lines,
    one_line,
    pre,
    table,
    tail,
    words,
)
from opsbot.render.times import age, duration, size, span


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


class Tags(HTMLParser):
    """Reads HTML as a client does: its tags, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.attributes: list[object] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes += attrs
        self.text += "\n" if tag == "br" else ""

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


#: What would be markup, a mention, a cut or a hole, if it were not text.
NASTY = st.sampled_from(
    [
        "<b>",
        "</pre>",
        "<script>",
        "&lt;",
        "&",
        "@room",
        "<!channel>",
        "`",
        "\n",
        "\t",
        "\u202e",
        "\x1b[2J",
        "\u2028",
        "\ud800",
        "\0",
        "漢",
        "👩\u200d💻",
        "e\u0301",
        "[x](http://x)",
        "https://matrix.to/#/@eve:x",
        '<a href="http://x">',
    ]
)
ANY = st.lists(NASTY | st.text(st.characters(exclude_categories=[]), max_size=12), max_size=40).map("".join)
SENDABLE = {"code", "b", "pre", "br"}


@settings(deadline=None)
@given(ANY, ANY, ANY)
def test_any_text_survives_as_text(one: str, two: str, three: str) -> None:
    """Read back from its HTML, a message says what its plain form says: no tag, link or mention comes of any text."""
    text = fit(lines(one, join(bold(two), code(three)), pre(three), tail(one), table([(one, two), (three, one)])))

    read = Tags(text.html)
    assert read.tags <= SENDABLE
    assert read.attributes == []
    assert re.sub(r"[\s`']", "", read.text) == re.sub(r"[\s`']", "", text.body)
    assert text.body == "" or clean(text.body) == text.body


@settings(deadline=None)
@given(st.lists(ANY, max_size=12), st.integers(1, 300))
def test_no_message_is_longer_than_slack_takes(parts: list[str], times: int) -> None:
    """However much is said, a message has at most 3,500 characters and a hundred marked pieces."""
    text = fit(lines(*(words(f"`{part}`") for part in parts * times)))

    assert len(text.body) <= LONGEST
    assert text.html.count("</") <= 100


@settings(deadline=None)
@given(st.lists(st.lists(ANY, min_size=1, max_size=6).map(tuple), max_size=8))
def test_a_table_fits_a_phone(rows: list[tuple[str, ...]]) -> None:
    """Whatever stands in its cells, a table has a line for each row, of at most 60 columns."""
    shown = table(rows).body.split("\n")

    assert len(shown) <= max(len(rows), 1)
    assert all(columns(row) <= WIDEST for row in shown)


@settings(deadline=None)
@given(st.lists(ANY, max_size=50), st.integers(1, 100), st.integers(10, 300))
def test_a_log_fits_a_message(log: list[str], count: int, width: int) -> None:
    """However long its lines are, what is shown of a log fits a message, and its last line is in it."""
    shown = fit(tail([*log * 10, "the end"], count=count, width=width)).body

    assert len(shown) <= LONGEST
    assert shown.endswith("the end")


def test_a_long_log_is_its_end() -> None:
    """Of a log that is too long for a message the last lines are shown, and how many are not."""
    shown = tail((f"{n} {'x' * 190}" for n in range(100)), count=100).body.splitlines()

    assert shown[0] == "… (85 earlier lines)"
    assert shown[-1].startswith("99 x")


@given(st.text(st.characters(exclude_categories=[]), max_size=2000))
def test_a_record_is_one_line(text: str) -> None:
    """What the audit keeps of any text is one clean line of at most 500 characters."""
    line = one_line(text)

    assert len(line) <= 500
    assert line.splitlines() in ([], [line])
    assert clean(line) == line


@given(st.integers(-(10**9), 10**10))
def test_an_age_is_never_in_the_future(seconds: int) -> None:
    """Clocks differ: what seems to be yet to come has just been."""
    assert "-" not in age(seconds)
    assert "-" not in span(seconds)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (59.6, "1 min"), (185, "3 min 5 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    """A duration is said with the unit that fits."""
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3, "just now"),
        (61, "1 minute ago"),
        (7300, "2 hours ago"),
        (200_000, "2 days ago"),
        (-90, "just now"),
        (8 * 86400, "1 week ago"),
        (70 * 86400, "2 months ago"),
    ],
)
def test_ages(seconds: float, said: str) -> None:
    """An age is said in the largest whole unit."""
    assert age(seconds) == said


@pytest.mark.parametrize(("count", "said"), [(512, "512 B"), (2048, "2.0 KiB"), (5 * 1024**4, "5.0 TiB")])
def test_sizes(count: float, said: str) -> None:
    """A size is said in the binary unit that fits."""
    assert size(count) == said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("restarts hello-bot.service. Then", "restarts <code>hello-bot.service</code>. Then"),
        ("web-01.example.com: gone", "<code>web-01.example.com</code>: gone"),
        ("/etc/ssh/key.pub", "<code>/etc/ssh/key.pub</code>"),
        ("(git.example.org:443)", "(<code>git.example.org:443</code>)"),
        ("see https://git.example.org/a.b now", "see https://git.example.org/a.b now"),
        ("`web.com` 1.2.3, e.g. v1.2", "<code>web.com</code> 1.2.3, e.g. v1.2"),
    ],
)
def test_no_name_becomes_a_link(said: str, shown: str) -> None:
    """What looks like a host's name is code, for Slack's bridge would make a link of it; an address stays one."""
    assert words(said).html == shown


def test_a_host_stands_out_and_is_no_link() -> None:
    """A host's whole name in bold is code, too, for Slack's bridge makes links within bold words as in others."""
    assert bold("web-01.example.com").html == "<b><code>web-01.example.com</code></b>"
    assert bold("ops-jrz1").html == "<b>ops-jrz1</b>"


def test_long_words_are_read_at_once() -> None:
    """A text of any shape is marked in one pass over it: ten times the words take ten times the time, no more."""
    for piece in ("a.", "@/:", "`a", "a"):
        assert html.unescape(re.sub("</?code>", "", words(piece * 50_000).html)).replace("`", "") == (
            piece * 50_000
        ).replace("`", "")
