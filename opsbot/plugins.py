"""The folder of commands: how a function becomes one, and how the folder is found and read."""

import importlib.util
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, overload

from opsbot.commands import Command, command_from
from opsbot.errors import ConfigError
from opsbot.model import Level

log = logging.getLogger(__name__)

_Function = Callable[..., Awaitable[Any]]
_MARK = "_opsbot_command"
_PACKAGE = Path(__file__).parent


@overload
def command(function: _Function) -> _Function: ...
@overload
def command(*, needs: str = ..., name: str = ...) -> Callable[[_Function], _Function]: ...
def command(function: _Function | None = None, *, needs: str = "stranger", name: str = "") -> Any:
    """Make a function a command.

    Its name is the command, its parameters are the arguments, annotations parse them, the docstring is the help and
    what it returns is the answer. NEEDS is the level of the person; without it anybody may say the command. NAME is for
    a command whose name Python or this file has given to something else.
    """

    def mark(marked: _Function) -> _Function:
        setattr(marked, _MARK, (Level[needs.upper()], name or marked.__name__))
        return marked

    return mark if function is None else mark(function)


def home() -> Path:
    """Return the folder of our own commands: at the top of a checkout, or inside an installed package."""
    installed = _PACKAGE / "_plugins"
    return installed if installed.is_dir() else _PACKAGE.parent / "plugins"


def load(*folders: Path) -> Mapping[str, Command]:
    """Read all commands of the folders, by name. Raises ConfigError for the first plugin that does not load."""
    found: dict[str, Command] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.py"))):
        try:
            loaded = list(_commands_in(path))
        except Exception as error:
            raise ConfigError(f"The plugin {path.name} does not load: {error}") from error
        for one in loaded:
            if one.name in found:
                raise ConfigError(f"The plugin {path.name} has a second command `{one.name}`.")
            found[one.name] = one
    return found


def _commands_in(path: Path) -> Iterator[Command]:
    name = f"opsbot_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101 - a path that ends in .py has a loader
    assert spec.loader is not None  # noqa: S101 - as above
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up by the module's name
    spec.loader.exec_module(module)
    for value in vars(module).values():
        mark = getattr(value, _MARK, None)
        if isinstance(mark, tuple) and value.__module__ == name:
            needs, called = mark
            yield command_from(value, name=called, needs=needs)
