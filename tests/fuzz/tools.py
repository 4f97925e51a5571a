"""What every fuzzed parser is made of: its data, its truth, and the time that one example may take."""

import copy
import signal
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

#: Seconds of the processor that one example may cost; what costs more would stop the bot or the host.
LONGEST = 2.0
#: Examples between two looks at the clock.
_ROUND = 1000

Strategy = st.SearchStrategy[Any]
Check = Callable[[Any], None]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One reader of what comes from outside: the data that it is thrown, and what holds whatever that is."""

    name: str
    data: Strategy = field(repr=False)
    check: Check = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Parser:
    """Readers that belong together, and are fuzzed in turn."""

    name: str
    parts: list[Part] = field(default_factory=list)


PARSERS: dict[str, Parser] = {}


def parser(name: str, data: Strategy) -> Callable[[Check], Check]:
    """Make a function the check of a part of the parser of this NAME."""

    def enter(check: Check) -> Check:
        one = PARSERS.setdefault(name, Parser(name=name))
        one.parts.append(Part(name=check.__name__.replace("_", " "), data=data, check=check))
        return check

    return enter


class TooLongError(AssertionError):
    """An example took longer than any may."""


@contextmanager
def in_time(seconds: float = LONGEST) -> Iterator[None]:
    """Raise TooLongError in what takes more of the processor than an example may, however busy the machine is."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(one: Parser, *, examples: int) -> Counter[str]:
    """Throw so many examples at a parser and return how many each part took; the smallest that breaks it is shown."""
    count: Counter[str] = Counter()
    either = st.one_of([st.tuples(st.just(part), part.data) for part in one.parts])

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(either)
    def example(drawn: tuple[Part, Any]) -> None:
        part, data = drawn
        count[part.name] += 1
        with in_time():
            part.check(data)

    example()
    return count


def run_for(one: Parser, *, seconds: float) -> Counter[str]:
    """Throw examples at a parser for so many seconds; return how many each part took."""
    count: Counter[str] = Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        count += run(one, examples=_ROUND)
    return count


#: Text of every kind: halves of characters, control characters and marks of direction included.
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=20)
#: What means something to a shell, a path, a terminal, HTML, Markdown, YAML, JSON, a log or a format.
ODD = st.sampled_from(
    [
        "\0", "\n", "\r", "\r\n", "\t", "\x1b[31m", "\x1b]0;x\x07", "\x7f", "\x85", "\u2028", "\u202e", "\u2066",
        "\u200b", "\ufeff", "\ud800", "\U0010ffff", "e\u0301", "漢", "👩\u200d💻", "²", "٣", "ı", "İ", "ß",
        "../", "/", "//", "..", "~", "$(id)", "`id`", "${x}", "%s", "%n", "{}", "{0}", "{x!r}", ";", "|", "&", "&&",
        "--", "-", "=", "'", '"', "\\", "<b>", "</pre>", "<script>", "&lt;", "&#0;", "@room", "<!channel>", "[x](y)",
        "*", "?", "[", "]", "{", "}", "#", ":", ",", "!", "!slack ", "!admin ", "\\!admin ",
        "0", "-1", "1e999", "NaN", "Infinity", "9" * 30, "null", "true", "x" * 300,
    ]
)  # fmt: skip
NUMBERS = st.integers() | st.floats() | st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**400, 1e308, True, False])
JSON = st.recursive(
    st.none() | NUMBERS | ANY_TEXT | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT | ODD, inner, max_size=3),
    max_leaves=8,
)


def pieces(*words: str, most: int = 20) -> st.SearchStrategy[str]:
    """Return texts of these words, of odd ones and of anything, in any order."""
    return st.lists(st.sampled_from(words) | ODD | ANY_TEXT, max_size=most).map("".join)


@st.composite
def edited(draw: st.DrawFn, samples: Sequence[str], *words: str) -> str:
    """Return one of the samples with a few places cut out, said twice, or replaced by these words and odd ones."""
    said = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(said)))
        end = draw(st.integers(begin, min(len(said), begin + 40)))
        new = draw(st.sampled_from([*words, "", said[begin:end] * 2, said]) | ODD | ANY_TEXT)
        said = said[:begin] + new + said[end:]
    return said


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*above, key)
        yield from _places(one, (*above, key))


@st.composite
def edited_json(draw: st.DrawFn, samples: Sequence[Mapping[str, Any]]) -> Any:
    """Return one of the samples with a few values replaced, left out or put elsewhere."""
    value: Any = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(value))
        if not places:
            return draw(JSON)
        *above, key = draw(st.sampled_from(places))
        holder = value
        for step in above:
            holder = holder[step]
        match draw(st.integers(0, 3)):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(_at(value, draw(st.sampled_from(places))))
            case _:
                holder[key] = draw(JSON)
    return value


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


@st.composite
def deep(draw: st.DrawFn) -> str:
    """Return JSON that is nested deeper than any reader of it goes, or has a number of thousands of digits."""
    depth = draw(st.sampled_from([10, 990, 5000, 100_000]))
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}"), ('{"state":[', "]}")]))
    return draw(
        st.sampled_from(
            [opening * depth + "1" + closing * depth, opening * depth, f'{{"a": {"9" * depth}}}', '"' + "x" * depth]
        )
    )


def is_plain(said: str) -> bool:
    """Tell whether a text has no control characters but line breaks and tabs, no unseen marks and no half ones."""
    return all(
        sign in "\n\t" or unicodedata.category(sign) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for sign in said
    )
