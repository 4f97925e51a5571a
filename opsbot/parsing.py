"""From typed words to a call of a command."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from opsbot.commands import Command, Param
from opsbot.errors import UsageError
from opsbot.typed import Option, option_in, shown, suggestion


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A command with its arguments, parsed."""

    command: Command
    arguments: Mapping[str, Any]


def parse(
    command: Command, words: list[str], *, choices: Mapping[type, Collection[str]], prefix: str = "!"
) -> Invocation:
    """Give typed words their places. Raises UsageError with the one thing that is wrong and the usage line."""
    try:
        return Invocation(command=command, arguments=_arguments(command, words, choices, prefix))
    except UsageError as error:
        raise UsageError(f"{error}\nUsage: `{prefix}{command.usage}`") from None


def _arguments(
    command: Command, words: list[str], choices: Mapping[type, Collection[str]], prefix: str
) -> dict[str, Any]:
    options = {param.name.replace("_", "-"): param for param in command.params if param.option}
    places = [param for param in command.params if not param.option]
    values: dict[str, Any] = {}
    rest, ended = list(words), False
    while rest:
        word = rest.pop(0)
        if word == "--" and not ended:
            ended = True
            continue
        option = None if ended else option_in(word)
        if option is not None:
            param = _known(command, option, options)
            typed = _typed_value(param, option, rest, options)
        elif places:
            param, typed = places.pop(0), word
            if places and _is_left_out(param, word, choices):
                param = places.pop(0)
            if param.free:
                # Where there is no option to come, everything is part of the words.
                typed = " ".join([word, *(_until_option(rest, options) if options else _all(rest))])
        else:
            raise UsageError(f"`{shown(word)}` is one word too many.")
        if param.name in values:
            raise UsageError(f"`--{param.name.replace('_', '-')}` is there twice.")
        values[param.name] = _value(param, typed, choices, prefix)
    for param in command.params:
        if param.required and param.name not in values:
            raise UsageError(f"{param.word} is missing.{_listed(param, prefix)}")
    return values


def _is_left_out(param: Param, word: str, choices: Mapping[type, Collection[str]]) -> bool:
    """Tell whether a word is none of the names that a parameter may be, nor nearly one, where it may be left out."""
    known = choices.get(param.type, ())
    return getattr(param.type, "MAY_BE_LEFT_OUT", False) and word not in known and not suggestion(word, known)


def _known(command: Command, option: Option, options: Mapping[str, Param]) -> Param:
    if option.name not in options:
        name = shown(option.name)
        meant = suggestion(name, options, shape="--{}")
        raise UsageError(f"`{command.name}` has no option `--{name}`.{meant}")
    return options[option.name]


def _typed_value(param: Param, option: Option, rest: list[str], options: Mapping[str, Param]) -> str:
    if param.flag:
        if option.value is not None:
            raise UsageError(f"`--{option.name}` takes no value.")
        return "yes"
    taken = [] if option.value is None else [option.value]
    if param.free:
        taken += _until_option(rest, options)
    elif not taken and rest and not _begins_option(rest[0], options):
        taken.append(rest.pop(0))
    if not " ".join(taken).strip():
        raise UsageError(f"`--{option.name}` needs a value.")
    return " ".join(taken)


def _begins_option(word: str, options: Mapping[str, Param]) -> bool:
    """Tell whether a word is an option: by its two dashes, or as one of this command's; a long dash may be prose."""
    option = option_in(word)
    return option is not None and (option.certain or option.name in options)


def _until_option(rest: list[str], options: Mapping[str, Param]) -> list[str]:
    """Take the words up to the next option."""
    end = next((place for place, word in enumerate(rest) if _begins_option(word, options)), len(rest))
    taken = rest[:end]
    del rest[:end]
    return taken


def _all(rest: list[str]) -> list[str]:
    taken = list(rest)
    rest.clear()
    return taken


def _value(param: Param, typed: str, choices: Mapping[type, Collection[str]], prefix: str) -> Any:
    if param.type is bool:
        return True
    if param.type is int:
        if not _is_number(typed) or len(typed) > 9:  # noqa: PLR2004 - fits every integer we meet
            raise UsageError(f"{param.word} is a number, like 20, not `{shown(typed)}`.")
        return int(typed)
    known = choices.get(param.type)
    if known is not None and typed not in known and not (_is_number(typed) and getattr(param.type, "NUMBERS", False)):
        noun = getattr(param.type, "NOUN", param.name)
        meant = suggestion(typed, known) or _listed(param, prefix)
        raise UsageError(f"There is no {noun} `{shown(typed)}`.{meant}")
    return param.type.parse(typed) if hasattr(param.type, "parse") else param.type(typed)


def _is_number(typed: str) -> bool:
    return typed.isascii() and typed.isdigit()


def _listed(param: Param, prefix: str) -> str:
    """Say which command lists what a parameter may be, if there is one."""
    name = getattr(param.type, "LISTED_BY", "")
    return f" `{prefix}{name}` lists them." if name else ""
