"""The folder of plugins: how a function becomes a command, a schedule or a hook, and how the folder is read."""

import importlib.util
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from opsbot.commands import Catalogue, Command, command_from
from opsbot.errors import ConfigError
from opsbot.model import Level
from opsbot.triggers.cron import checked
from opsbot.triggers.functions import Hook, Schedule, shape

log = logging.getLogger(__name__)

_Function = Callable[..., Awaitable[Any]]
_MARK = "_opsbot_make"
_PACKAGE = Path(__file__).parent


#: Makes what a function is to be, of the function itself and the name of its plugin.
_Thing = Command | Schedule | Hook
_Make = Callable[[_Function, str], _Thing]


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
    level = Level[needs.upper()]

    def make(marked: _Function, plugin: str) -> Command:
        return command_from(marked, name=_called(marked, name), needs=level, plugin=plugin, aliases=tuple(aliases))

    return _marking(make) if function is None else _marking(make)(function)


def schedule(cron: str, *, room: str = "", name: str = "") -> Callable[[_Function], _Function]:
    """Have a function called at the times that CRON means, five fields in the configuration's zone.

    What it returns is posted once: in the configuration's room for it, else in ROOM, else in the first room of the
    configuration. NAME is for a schedule that is not to be called as its function is.
    """

    def make(marked: _Function, plugin: str) -> Schedule:
        return Schedule(**shape(marked, name=_called(marked, name), plugin=plugin), cron=checked(cron), room=room)

    return _marking(make)


@overload
def hook(function: _Function) -> _Function: ...
@overload
def hook(*, name: str = ...) -> Callable[[_Function], _Function]: ...
def hook(function: _Function | None = None, *, name: str = "") -> Any:
    """Have a function called by other programs, at `/hooks/NAME` of the bot's server.

    It is called only if the configuration names it, with a secret that the caller must know, and with the room where
    its words go. NAME is for a hook that is not to be called as its function is.
    """

    def make(marked: _Function, plugin: str) -> Hook:
        return Hook(**shape(marked, name=_called(marked, name), plugin=plugin))

    return _marking(make) if function is None else _marking(make)(function)


def _called(function: _Function, name: str) -> str:
    return (name or function.__name__).replace("_", "-")


def _marking(make: _Make) -> Callable[[_Function], _Function]:
    def mark(function: _Function) -> _Function:
        setattr(function, _MARK, make)
        return function

    return mark


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was found, and a sentence for each plugin that did not load."""

    commands: Catalogue
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def home() -> Path:
    """Return the folder of our own commands: at the top of a checkout, or inside an installed package."""
    installed = _PACKAGE / "_plugins"
    return installed if installed.is_dir() else _PACKAGE.parent / "plugins"


def load(*folders: Path) -> Loaded:
    """Read all plugins of the folders; one that does not load is left out whole, and named."""
    found: list[_Thing] = []
    problems: list[str] = []
    seen: dict[str, Path] = {}
    for path in (path for folder in folders for path in _files(folder)):
        try:
            _refuse_namesake(path, seen)
            new = list(_things_in(path))
            _refuse_twins(new, found)
        except Exception as error:
            log.exception("plugin does not load", extra={"plugin": path.name})
            problems.append(f"The plugin {path.name} does not load: {type(error).__name__}: {error}")
        else:
            found += new
    problems += [f"There is no folder {folder}; correct `plugins`." for folder in folders if not folder.is_dir()]
    return Loaded(
        commands=Catalogue(one for one in found if isinstance(one, Command)),
        schedules={one.name: one for one in found if isinstance(one, Schedule)},
        hooks={one.name: one for one in found if isinstance(one, Hook)},
        problems=tuple(problems),
    )


def _files(folder: Path) -> list[Path]:
    """Return the plugins of a folder; their tests may lie beside them."""
    return [path for path in sorted(folder.glob("*.py")) if not path.name.startswith(("test_", "conftest.", "_"))]


def _refuse_namesake(path: Path, seen: dict[str, Path]) -> None:
    # A plugin's storage goes by the name of its file.
    if (other := seen.setdefault(path.stem, path)) != path:
        raise ConfigError(f"There is a plugin of this name already, {other}: give this file another name.")


def _refuse_twins(new: Sequence[_Thing], known: Iterable[_Thing]) -> None:
    taken = {word for one in known for word in _words_for(one)}
    for one in new:
        for word in _words_for(one):
            if word in taken:
                raise ConfigError(f"There is a {word[0]} `{word[1]}` already.")
            taken.add(word)


def _words_for(one: _Thing) -> list[tuple[str, str]]:
    """Return what must be one thing's alone: its kind with each of its names."""
    aliases = one.aliases if isinstance(one, Command) else ()
    return [(type(one).__name__.lower(), word) for word in (one.name, *aliases)]


def _things_in(path: Path) -> Iterator[_Thing]:
    name = f"opsbot_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101 - a path that ends in .py has a loader
    assert spec.loader is not None  # noqa: S101 - as above
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up by the module's name
    spec.loader.exec_module(module)
    for value in vars(module).values():
        make: _Make | None = vars(value).get(_MARK) if inspect.isfunction(value) else None
        if make is not None and value.__module__ == name:
            yield make(value, path.stem)
