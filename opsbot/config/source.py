"""Where the values come from: a YAML text, and the environment over it. Each value keeps its place."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from opsbot.model import Json

#: The way to a value: the keys above it and its own.
Path = tuple[str | int, ...]

VARIABLE = "OPSBOT_"
#: The most characters of a problem: a name in a file may be of any length.
_LONGEST = 1000
#: The most keys and entries of a file: a few lines of aliases can stand for more than anybody ever reads.
_MOST = 20_000
#: What PyYAML raises for a text that is none, or nests too deep, and for words like `!!bool x` and `!!timestamp x`.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
#: Names the file itself, and so is no key of it.
FILE_VARIABLE = "OPSBOT_CONFIG"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong: where it stands, the key's path, and what to do about it."""

    path: str
    sentence: str
    place: str = ""

    def __str__(self) -> str:
        where = f"{self.path} ({self.place})" if self.place and self.path else self.path or self.place
        said = f"{where}: {self.sentence}" if where else self.sentence
        # What the file holds may be anything, and this goes to a terminal.
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in said[:_LONGEST])


@dataclass(frozen=True, kw_only=True)
class Source:
    """The values as they were written, each with its place, and what is wrong with the writing."""

    data: Json
    places: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> str:
        """Return where a key stands, or the nearest one above it that does."""
        for length in range(len(path), 0, -1):
            if found := self.places.get(path[:length]):
                return found
        return ""


def dotted(path: Path) -> str:
    """Write a path as people do: keys with dots between them, list entries counted from 1."""
    words = (f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(words).removeprefix(".")


def read_yaml(text: str) -> Source:
    """Take a YAML text apart; a key that stands twice is a problem, not a matter of luck."""
    source = Source(data={})
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if tree is None:
            return source
        for count, (path, line, again) in enumerate(_walk(tree, (), frozenset())):
            if count > _MOST:
                sentence = "it says more than a configuration does; an alias (*) says again all that it stands for."
                return Source(data=None, problems=[Problem(path="", sentence=sentence, place=f"line {line}")])
            if again:
                sentence = f"stands here a second time; it was first on {source.places[path]}."
                source.problems.append(Problem(path=dotted(path), sentence=sentence, place=f"line {line}"))
            else:
                source.places[path] = f"line {line}"
        data = SafeConstructor().construct_document(tree)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}" if mark else ""
        sentence = f"this is not YAML: {error.problem or 'something is wrong with it'}."
        return Source(data=None, problems=[Problem(path="", sentence=sentence, place=place)])
    except _UNREADABLE:
        return Source(data=None, problems=[Problem(path="", sentence="this is not YAML text.")])
    if not isinstance(data, dict):
        return Source(data=None, problems=[Problem(path="", sentence="the file must hold keys, like `rooms: […]`.")])
    return Source(data=data, places=source.places, problems=source.problems)


def _walk(node: yaml.Node, path: Path, above: frozenset[int]) -> Iterator[tuple[Path, int, bool]]:
    if id(node) in above:
        raise yaml.YAMLError
    above |= {id(node)}
    match node:
        case yaml.MappingNode():
            seen: set[Path] = set()
            for key, value in node.value:
                # A key is a word, also where YAML would see a number or a "no" in it.
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    key.tag = "tag:yaml.org,2002:str"
                inner = (*path, str(key.value))
                yield inner, key.start_mark.line + 1, inner in seen
                seen.add(inner)
                yield from _walk(value, inner, above)
        case yaml.SequenceNode():
            for index, value in enumerate(node.value):
                yield (*path, index), value.start_mark.line + 1, False
                yield from _walk(value, (*path, index), above)


def with_environment(source: Source, environ: Mapping[str, str], named: frozenset[str]) -> Source:
    """Put the OPSBOT_… variables over the values; two underscores go one key deeper.

    Below a key in NAMED stand names of the team's own, which may hold a hyphen where a variable cannot.
    """
    data, places = deepcopy(source.data), dict(source.places)
    problems = list(source.problems)
    for variable, text in sorted(environ.items()):
        if not variable.startswith(VARIABLE) or variable == FILE_VARIABLE:
            continue
        path = _path(variable.removeprefix(VARIABLE).lower().split("__"), data, named)
        if _put(data, path, _value(text)):
            places[path] = variable
        else:
            sentence = f"{dotted(path[:-1])} has no keys below it."
            problems.append(Problem(path=dotted(path), sentence=sentence, place=variable))
    return Source(data=data, places=places, problems=problems)


def _path(words: list[str], data: Json, named: frozenset[str]) -> Path:
    if len(words) < 2 or words[0] not in named:  # noqa: PLR2004 - a name stands second
        return tuple(words)
    known = data.get(words[0])
    names = [name for name in known if name.lower().replace("-", "_") == words[1]] if isinstance(known, dict) else []
    return (words[0], names[0] if names else words[1].replace("_", "-"), *words[2:])


def _value(text: str) -> Json:
    if text.startswith(("[", "{")):
        try:
            return yaml.safe_load(text)
        except _UNREADABLE:
            return text
    return text


def _put(data: dict[str, Any], path: Path, value: Json) -> bool:
    for part in path[:-1]:
        inner = data.get(str(part))
        if inner is None:
            inner = data[str(part)] = {}
        if not isinstance(inner, dict):
            return False
        data = inner
    data[str(path[-1])] = value
    return True
