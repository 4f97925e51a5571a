"""The folder of commands: how a function becomes one, and how the folder is found and read."""

import importlib.util
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from opsbot.commands import Catalogue, Command, command_from
from opsbot.errors import ConfigError
from opsbot.model import Level

log = logging.getLogger(__name__)

_Function = Callable[..., Awaitable[Any]]
_MARK = "_opsbot_command"
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class _Mark:
    """What the decorator noted on a function."""

    needs: Level
    name: str
    aliases: tuple[str, ...]


@overload
def command(function: _Function) -> _Function: ...
@overload
def command(*, needs: str = ..., name: str = ..., aliases: Sequence[str] = ...) -> Callable[[_Function], _Function]: ...
def command(
    function: _Function | None = None, *, needs: str = "stranger", name: str = "", aliases: Sequence[str] = ()
) -> Any:
    """Make a function a command.

    Its name is the command, its parameters are the arguments, annotations parse them, the docstring is the help and
    what it returns is the answer. NEEDS is the level of the person; without it anybody may say the command. NAME is for
    a command whose name Python or this file has given to something else; ALIASES are other words for it.
    """

    def mark(marked: _Function) -> _Function:
        called = (name or marked.__name__).replace("_", "-")
        setattr(marked, _MARK, _Mark(Level[needs.upper()], called, tuple(aliases)))
        return marked

    return mark if function is None else mark(function)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The commands that were found, and a sentence for each plugin that did not load."""

    commands: Catalogue
    problems: tuple[str, ...] = ()


def home() -> Path:
    """Return the folder of our own commands: at the top of a checkout, or inside an installed package."""
    installed = _PACKAGE / "_plugins"
    return installed if installed.is_dir() else _PACKAGE.parent / "plugins"


def load(*folders: Path) -> Loaded:
    """Read all commands of the folders; a plugin that does not load is left out whole, and named."""
    found: dict[str, Command] = {}
    problems: list[str] = []
    seen: dict[str, Path] = {}
    for path in (path for folder in folders for path in _files(folder)):
        try:
            _refuse_namesake(path, seen)
            new = list(_commands_in(path))
            _refuse_twins(new, found.values())
        except Exception as error:
            log.exception("plugin does not load", extra={"plugin": path.name})
            problems.append(f"The plugin {path.name} does not load: {type(error).__name__}: {error}")
        else:
            found |= {one.name: one for one in new}
    problems += [f"There is no folder {folder}; correct `plugins`." for folder in folders if not folder.is_dir()]
    return Loaded(commands=Catalogue(found.values()), problems=tuple(problems))


def _files(folder: Path) -> list[Path]:
    """Return the plugins of a folder; their tests may lie beside them."""
    return [path for path in sorted(folder.glob("*.py")) if not path.name.startswith(("test_", "conftest.", "_"))]


def _refuse_namesake(path: Path, seen: dict[str, Path]) -> None:
    # A plugin's storage goes by the name of its file.
    if (other := seen.setdefault(path.stem, path)) != path:
        raise ConfigError(f"There is a plugin of this name already, {other}: give this file another name.")


def _refuse_twins(new: Sequence[Command], known: Iterable[Command]) -> None:
    taken = {word for one in known for word in (one.name, *one.aliases)}
    for one in new:
        for word in (one.name, *one.aliases):
            if word in taken:
                raise ConfigError(f"There is a command `{word}` already.")
            taken.add(word)


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
        if isinstance(mark, _Mark) and value.__module__ == name:
            yield command_from(value, name=mark.name, needs=mark.needs, plugin=path.stem, aliases=mark.aliases)
