"""The strict grammar of what the bot may say: nothing reaches a command that did not pass here."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsbot.onhost.errors import HostError
from opsbot.onhost.sections import NAME, UNIT

#: Bytes that a request may have.
REQUEST_LIMIT = 64 * 1024

JOB = re.compile(r"[a-z][a-z0-9]{3,31}")
COMMIT = re.compile(r"[0-9a-f]{40}")
SHORT_COMMIT = re.compile(r"[0-9a-f]{7,40}")
#: What git takes as a name, less everything that means something to a shell, a path or an option.
REVISION = re.compile(r"(?!.*(\.\.|//|\.lock(/|$)|/\.))[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}(?<![./])")
SYSTEM = re.compile(r"(/[A-Za-z0-9._+-]+)+/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]{1,160}")
_WORDS_LIMIT = 300
#: Control characters, ends of lines and halves of characters.
_CONTROL = ("Cc", "Zl", "Zp", "Cs")
_UNITS_LIMIT = 50
_PROJECTS_LIMIT = 200


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of a verb: its name, what it may be, and what it is when it is not said."""

    name: str
    parse: Callable[[Any], Any]
    required: bool = True
    default: Any = None


def _refuse(text: str) -> Any:
    raise HostError("bad-request", text)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], Any]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            _refuse(f"That is not {what}.")
        return str(value)

    return parse


def _between(low: int, high: int, what: str) -> Callable[[Any], Any]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _refuse(f"{what} must be a whole number from {low} to {high}.")
        return int(value)

    return parse


def _words(value: Any) -> str:
    """Take a person's words as one plain line: going back must not fail for how its reason is written."""
    if not isinstance(value, str):
        _refuse("A reason is a text.")
    plain = "".join(" " if unicodedata.category(letter) in _CONTROL else letter for letter in value)
    return " ".join(plain.split())[:_WORDS_LIMIT].rstrip()


def _units(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > _UNITS_LIMIT:
        _refuse(f"That is not a list of at most {_UNITS_LIMIT} units.")
    return [unit(item) for item in value]


def _projects(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > _PROJECTS_LIMIT:
        _refuse(f"That is not a list of at most {_PROJECTS_LIMIT} projects.")
    return [PROJECT.parse(item) for item in value]


def _yes(value: Any) -> bool:
    return bool(value) if isinstance(value, bool) else _refuse("That is neither true nor false.")


def _log(value: Any) -> str:
    known = value in ("prepare", "activate", "publish")
    return str(value) if known else _refuse("A log is `prepare`, `activate` or `publish`.")


job = _matching(JOB, "the id of a job")
unit = _matching(UNIT, "the name of a unit")

JOB_ID = Argument(name="job", parse=job)
MAYBE_JOB = Argument(name="job", parse=job, required=False)
PROJECT = Argument(name="project", parse=_matching(NAME, "the name of a project"))
MAYBE_PROJECT = Argument(name="project", parse=PROJECT.parse, required=False)
HELD = Argument(name="held", parse=_projects, required=False, default=[])
WANTED = Argument(name="revision", parse=_matching(REVISION, "the name of a branch, a tag or a commit"), required=False)
NOTE = Argument(name="note", parse=_words, required=False, default="")
REASON = Argument(name="reason", parse=_words, required=False, default="")
DESPITE = Argument(name="despite", parse=_words, required=False, default="")
BASE = Argument(name="base", parse=_matching(SYSTEM, "the store path of a system"))
AGREED = Argument(name="system", parse=BASE.parse, required=False)
WINDOW = Argument(name="window", parse=_between(30, 3600, "The window"), required=False)
BOOT = Argument(name="boot", parse=_yes, required=False, default=False)
GENERATION = Argument(name="generation", parse=_between(1, 10**9, "A generation"))
MAYBE_GENERATION = Argument(name="generation", parse=GENERATION.parse, required=False)
UNIT_NAME = Argument(name="unit", parse=unit)
UNITS = Argument(name="units", parse=_units, required=False, default=())
LINES = Argument(name="lines", parse=_between(1, 200, "The number of lines"), required=False, default=50)
LOG = Argument(name="log", parse=_log)
OFFSET = Argument(name="offset", parse=_between(0, 2**53, "An offset"), required=False, default=0)
SECONDS = Argument(name="seconds", parse=_between(1, 300, "The number of seconds"), required=False, default=60)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            _refuse("The request says the same thing twice.")
        found[key] = value
    return found


def read(data: bytes) -> dict[str, Any]:
    """Turn the bytes of a request into a JSON object; no bytes are an empty one."""
    if len(data) > REQUEST_LIMIT:
        _refuse("The request is too long.")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        raise HostError("bad-request", "The request is not JSON.") from error
    if not isinstance(value, dict):
        _refuse("The request is not a JSON object.")
    return dict(value)


def check(spec: Sequence[Argument], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return every argument of SPEC with its value; unknown, missing and malformed ones are refused."""
    unknown = sorted(set(said) - {argument.name for argument in spec})
    if unknown:
        _refuse(f"There is no argument {unknown[0][:40]!r} here.")
    values: dict[str, Any] = {}
    for argument in spec:
        value = said.get(argument.name)
        if value is None:
            if argument.required:
                _refuse(f"The argument {argument.name} is missing.")
            values[argument.name] = argument.default
        else:
            values[argument.name] = argument.parse(value)
    return values
