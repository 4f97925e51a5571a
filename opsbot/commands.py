"""From a function's signature to a command, and from typed words to a call of it."""

import difflib
import inspect
import re
import shlex
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from opsbot.errors import UsageError
from opsbot.model import Level
from opsbot.words import Words

#: The name that a function gives to the parameter which receives the Context.
CONTEXT = "ctx"

#: What phones and Slack make of the signs that a keyboard sends.
_TYPOGRAPHY = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "\u00a0": " ", "\u202f": " "})  # noqa: RUF001 - these very signs
_LONG_DASH = re.compile(r"(?:(?<=\s)|^)[—–](?=\w)")  # noqa: RUF001 - the dashes that stand for "--"


@dataclass(frozen=True, kw_only=True)
class Param:
    """One argument of a command."""

    name: str
    type: Any
    #: An option is written `--name value`; the others go by their place.
    option: bool
    required: bool

    @property
    def flag(self) -> bool:
        """Whether it is an option without a value."""
        return self.type is bool

    @property
    def usage(self) -> str:
        """How it stands in the usage line."""
        word = self.name.replace("_", "-")
        value = "" if self.flag else f" {word.upper()}"
        form = f"--{word}{value}" if self.option else word.upper()
        return form if self.required else f"[{form}]"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something that can be said to the bot."""

    name: str
    function: Callable[..., Awaitable[Any]]
    needs: Level
    help: str
    params: tuple[Param, ...]
    wants_context: bool
    #: The file that it is in, without its ending.
    plugin: str
    #: Other words for the same command.
    aliases: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The first line of the help."""
        return self.help.splitlines()[0]

    @property
    def usage(self) -> str:
        """The command as it is typed, without the prefix."""
        return " ".join([self.name, *(param.usage for param in self.params)])


class Catalogue(Mapping[str, Command]):
    """All commands by their names; an alias finds its command and is not listed."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands = {one.name: one for one in commands}
        self._aliases = {alias: one for one in self._commands.values() for alias in one.aliases}

    def __getitem__(self, name: str) -> Command:
        return self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)

    @property
    def words(self) -> Collection[str]:
        """Every word that calls a command."""
        return [*self._commands, *self._aliases]

    def find(self, word: str) -> Command | None:
        """Return the command of a name or an alias."""
        return self._commands.get(word) or self._aliases.get(word)


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A command with its arguments, parsed."""

    command: Command
    arguments: Mapping[str, Any]


def command_from(
    function: Callable[..., Awaitable[Any]], *, name: str, needs: Level, plugin: str = "", aliases: tuple[str, ...] = ()
) -> Command:
    """Make a command of a function: name, parameters, annotations and docstring.

    Raises TypeError with what the function lacks.
    """
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: a command is an `async def`.")
    if not (inspect.getdoc(function) or "").strip():
        raise TypeError(f"{name}: a command needs a docstring; it is the help.")
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    params = tuple(_param(p, hints) for p in signature.parameters.values() if p.name != CONTEXT)
    return Command(
        name=name,
        function=function,
        needs=needs,
        help=inspect.getdoc(function) or "",
        params=params,
        wants_context=CONTEXT in signature.parameters,
        plugin=plugin,
        aliases=aliases,
    )


def _param(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Param:
    if parameter.name not in hints:
        raise TypeError(f"{parameter.name}: a parameter needs an annotation; it parses the argument.")
    kind = _concrete(hints[parameter.name])
    if kind not in (str, int, bool) and not hasattr(kind, "parse") and kind is not Words:
        raise TypeError(f"{parameter.name}: {kind!r} has no `parse` that would take a typed word.")
    return Param(
        name=parameter.name,
        type=kind,
        option=parameter.kind is inspect.Parameter.KEYWORD_ONLY,
        required=parameter.default is inspect.Parameter.empty,
    )


def _concrete(hint: Any) -> Any:
    """Take the type out of `Type | None`."""
    if get_origin(hint) in (Union, UnionType):
        rest = [part for part in get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def split(text: str) -> list[str]:
    """Split what was typed into words, quoted as in a shell; typographic signs count as what was meant."""
    plain = _LONG_DASH.sub("--", text.translate(_TYPOGRAPHY))
    try:
        return shlex.split(plain)
    except ValueError:
        raise UsageError("There is a quotation mark without its partner.") from None


def nearest(word: str, choices: Collection[str]) -> str | None:
    """Return the choice that was probably meant."""
    close = difflib.get_close_matches(word.lower(), sorted(choices), n=1, cutoff=0.6)
    return close[0] if close else None


def suggestion(word: str, choices: Collection[str], *, shape: str = "{}") -> str:
    """Return " Did you mean …?" or nothing."""
    close = nearest(word, choices)
    return f" Did you mean `{shape.format(close)}`?" if close else ""


def parse(
    command: Command, words: list[str], *, choices: Mapping[type, Collection[str]], prefix: str = "!"
) -> Invocation:
    """Give typed words their places. Raises UsageError with the one thing that is wrong and the usage line."""
    try:
        return Invocation(command=command, arguments=_arguments(command, words, choices))
    except UsageError as error:
        raise UsageError(f"{error}\nUsage: `{prefix}{command.usage}`") from None


def _arguments(command: Command, words: list[str], choices: Mapping[type, Collection[str]]) -> dict[str, Any]:
    options = {param.name.replace("_", "-"): param for param in command.params if param.option}
    places = [param for param in command.params if not param.option]
    values: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and len(word) > 2:  # noqa: PLR2004 - more than the dashes alone
            name, equals, value = word[2:].partition("=")
            param = options.get(name)
            if param is None:
                known = suggestion(name, options, shape="--{}")
                raise UsageError(f"`{command.name}` has no option `--{name}`.{known}")
            typed = _typed_value(param, name, value if equals else None, rest)
        elif places:
            param, typed = places.pop(0), word
            if param.type is Words:
                typed = " ".join([word, *_until_option(rest)])
        else:
            raise UsageError(f"`{word}` is one word too many.")
        if param.name in values:
            raise UsageError(f"`--{param.name.replace('_', '-')}` is there twice.")
        values[param.name] = _value(param, typed, choices)
    for param in command.params:
        if param.required and param.name not in values:
            raise UsageError(f"{param.name.upper()} is missing.")
    return values


def _typed_value(param: Param, name: str, value: str | None, rest: list[str]) -> str:
    if param.flag:
        if value is not None:
            raise UsageError(f"`--{name}` takes no value.")
        return "yes"
    taken = [] if value is None else [value]
    if param.type is Words:
        taken += _until_option(rest)
    elif not taken and rest and not rest[0].startswith("--"):
        taken.append(rest.pop(0))
    if not " ".join(taken).strip():
        raise UsageError(f"`--{name}` needs a value.")
    return " ".join(taken)


def _until_option(rest: list[str]) -> list[str]:
    """Take the words up to the next option."""
    end = next((place for place, word in enumerate(rest) if word.startswith("--")), len(rest))
    taken = rest[:end]
    del rest[:end]
    return taken


def _value(param: Param, typed: str, choices: Mapping[type, Collection[str]]) -> Any:
    if param.type is bool:
        return True
    if param.type is int:
        if not (typed.isascii() and typed.isdigit() and len(typed) <= 9):  # noqa: PLR2004 - fits every integer we meet
            raise UsageError(f"{param.name.upper()} is a number, not `{typed}`.")
        return int(typed)
    value = param.type.parse(typed) if hasattr(param.type, "parse") else param.type(typed)
    if param.type in choices and not typed.isdigit() and typed not in choices[param.type]:
        raise UsageError(f"There is no {param.name} `{typed}`.{suggestion(typed, choices[param.type])}")
    return value
