"""From a function's signature to a command."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from opsbot.model import Level
from opsbot.words import Words

#: The name that a function gives to the parameter which receives the Context.
CONTEXT = "ctx"


@dataclass(frozen=True, kw_only=True)
class Param:
    """One argument of a command."""

    name: str
    type: Any
    #: An option is written `--name value`; the others go by their place.
    option: bool
    required: bool
    #: What the function takes where nothing is typed.
    default: Any = None

    @property
    def flag(self) -> bool:
        """Whether it is an option without a value."""
        return self.type is bool

    @property
    def free(self) -> bool:
        """Whether it takes any number of words."""
        return isinstance(self.type, type) and issubclass(self.type, Words)

    @property
    def usage(self) -> str:
        """How it stands in the usage line."""
        form = getattr(self.type, "USAGE", self.word)
        if self.option:
            form = f"--{self.name.replace('_', '-')}" + ("" if self.flag else f" {form}")
        return form if self.required else f"[{form}]"

    @property
    def word(self) -> str:
        """How sentences name it."""
        return str(getattr(self.type, "WORD", self.name.replace("_", "-").upper()))


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

    @property
    def short_usage(self) -> str:
        """The command as it is typed, without its options."""
        return " ".join([self.name, *(param.usage for param in self.params if not param.option)])


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
    words = isinstance(kind, type) and issubclass(kind, Words)
    if kind not in (str, int, bool) and not hasattr(kind, "parse") and not words:
        raise TypeError(f"{parameter.name}: {kind!r} has no `parse` that would take a typed word.")
    return Param(
        name=parameter.name,
        type=kind,
        option=parameter.kind is inspect.Parameter.KEYWORD_ONLY,
        required=parameter.default is inspect.Parameter.empty,
        default=None if parameter.default is inspect.Parameter.empty else parameter.default,
    )


def _concrete(hint: Any) -> Any:
    """Take the type out of `Type | None`."""
    if get_origin(hint) in (Union, UnionType):
        rest = [part for part in get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint
