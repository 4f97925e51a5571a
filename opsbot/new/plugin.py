"""`opsbot new plugin NAME`: a plugin and its test, which passes at once."""

import keyword
import re
import sys
from importlib import resources
from pathlib import Path

from opsbot.errors import ConfigError, UsageError
from opsbot.plugins import home, load

#: Names that other bots in the room answer to, and those that the template itself needs.
_TAKEN = frozenset({"slack", "admin", "opsbot", "pytest", "command", "hook", "schedule"})
_SHAPE = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_LONGEST = 40


def write_plugin(name: str, folder: Path) -> tuple[Path, Path]:
    """Write a plugin NAME and its test into FOLDER, and return where they are; nothing is ever overwritten.

    Raises UsageError with what to do instead.
    """
    if problem := _wrong(name):
        raise UsageError(problem)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}: make it first.")
    module = name.replace("-", "_")
    files = {folder / f"{module}.py": "plugin.py", folder / f"test_{module}.py": "test_plugin.py"}
    for path in files:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already: take another name, or move it away.")
    try:
        for path, template in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(_filled(template, module))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    plugin, test = files
    return plugin, test


def _wrong(name: str) -> str | None:
    """Return why a plugin cannot be called so; None when it can."""
    module, word = name.replace("-", "_"), name.replace("_", "-")
    if not _SHAPE.fullmatch(name) or len(name) > _LONGEST:
        return f"A plugin's name has small letters, digits and dashes, begins with a letter, {_LONGEST} at most."
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in _TAKEN:
        return f"{name} means something else already, in Python or in the room: take another name."
    if module.startswith("test_") or module == "conftest":
        return "What begins with test is taken for a test, not for a plugin: take another name."
    ours = load(home())
    if word in ours.commands.words or (home() / f"{module}.py").exists():
        return f"opsbot has a command or a plugin {word} already: take another name."
    return None


def _filled(template: str, module: str) -> str:
    text = resources.files("opsbot.templates").joinpath(template).read_text(encoding="utf-8")
    # In the room a name has dashes, in Python underscores.
    text = re.sub(r'(?<=[!"])example', module.replace("_", "-"), text)
    return text.replace("example", module)
