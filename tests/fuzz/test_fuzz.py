import pytest
from hypothesis import strategies as st

from tests.fuzz.table import PARSERS
from tests.fuzz.tools import Parser, Part, TooLongError, in_time, run

#: Enough to see that a parser is still fuzzed; `make fuzz` does it in earnest.
FEW = 20


@pytest.mark.parametrize("name", PARSERS)
def test_whatever_comes_in_is_read_or_refused(name: str) -> None:
    """A parser of what comes from outside reads it or refuses it, in time, and shows nothing of it unescaped."""
    assert run(PARSERS[name], examples=FEW).total() >= 1


def test_what_takes_too_long_is_found() -> None:
    """An example that takes more of the processor than any may is one that breaks its parser."""

    def forever(_: object) -> None:
        while True:
            pass

    with pytest.raises(TooLongError), in_time(0.1):
        forever(None)


def test_what_breaks_is_found() -> None:
    """A parser that fails on one character in many is caught, and the smallest such text is shown."""

    def check(text: str) -> None:
        assert "é" not in text

    broken = Parser(name="broken", parts=[Part(name="it", data=st.text("abcdeé", max_size=40), check=check)])
    with pytest.raises(AssertionError) as caught:
        run(broken, examples=500)

    assert any("'é'" in note for note in caught.value.__notes__)
