"""What people type, taken apart: words, quotes, dashes, and what was probably meant."""

import difflib
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass

from opsbot.errors import UsageError

#: The longest text after a command's name.
LONGEST = 4000
#: How much of a wrong word is shown to whoever typed it.
_SHOWN = 60

#: What phones and Slack make of the signs that a keyboard sends.
_TYPOGRAPHY = str.maketrans(
    dict.fromkeys("“”„‟«»", '"') | dict.fromkeys("‘’‚‛", "'") | dict.fromkeys("\u2010\u2011\u2212", "-")  # noqa: RUF001 - these very signs
)
#: The apostrophe within a word is none of the quotation marks.
_APOSTROPHE = re.compile(r"(?<=[^\W_])['’](?=[^\W_])")  # noqa: RUF001 - as above
_KEPT = "\ue000"
_SPACE = re.compile(r"[^\S\n]")
#: Two dashes, one that a phone made of them, or one that was meant to be two.
_DASHED = re.compile(r"(?P<dashes>--+|-*[—–―]+-*|-(?=[^\W\d]))(?P<name>\w[\w-]*)(?P<rest>=.*)?", re.DOTALL)  # noqa: RUF001 - as above


@dataclass(frozen=True, kw_only=True)
class Option:
    """A word that looks like an option."""

    name: str
    #: What stands behind the equals sign; None without one.
    value: str | None
    #: Whether it is written with two dashes and so can be nothing else.
    certain: bool


def split(text: str) -> list[str]:
    """Split what was typed into words, quoted as in a shell; typographic signs count as what was meant.

    An apostrophe between two letters is an apostrophe.
    """
    if len(text) > LONGEST:
        raise UsageError(f"That is too long for a command: {len(text):,} characters, where {LONGEST:,} is the most.")
    plain = _APOSTROPHE.sub(_KEPT, _SPACE.sub(" ", text)).translate(_TYPOGRAPHY)
    try:
        return [word.replace(_KEPT, "'") for word in shlex.split(plain)]
    except ValueError as error:
        if "escaped" in str(error):
            raise UsageError("There is a backslash at the end, with nothing after it.") from None
        raise UsageError("There is a quotation mark without its partner: add that, or take this one out.") from None


def option_in(word: str) -> Option | None:
    """Read a word as an option, if it looks like one."""
    found = _DASHED.fullmatch(word)
    if found is None:
        return None
    value = None if found["rest"] is None else found["rest"][1:]
    return Option(name=found["name"].lower().replace("_", "-"), value=value, certain=found["dashes"] == "--")


def shown(word: str) -> str:
    """Return a typed word as it can stand between backticks in a sentence."""
    plain = " ".join(word.replace("`", "'").split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"


def nearest(word: str, choices: Collection[str]) -> str | None:
    """Return the choice that was probably meant."""
    typed, known = word[:_SHOWN].lower(), sorted(choices)
    close = difflib.get_close_matches(typed, known, n=1, cutoff=0.65)
    longer = [choice for choice in known if len(typed) > 1 and choice.startswith(typed)]
    return next(iter(close + longer), None)


def suggestion(word: str, choices: Collection[str], *, shape: str = "{}") -> str:
    """Return " Did you mean …?" or nothing."""
    close = nearest(word, choices)
    return f" Did you mean `{shape.format(close)}`?" if close else ""
