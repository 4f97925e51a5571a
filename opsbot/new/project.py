"""`opsbot new project NAME`: the project template under another name, whose test passes at once."""

import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import opsbot
from opsbot.errors import ConfigError, UsageError

#: What the template is called; `nix flake init` leaves it so.
TEMPLATE = "chochacho-hello-bot"
_SHAPE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 32
#: Names that mean something in the platform's flake, or are a unit of the platform already.
_TAKEN = frozenset({
    *("platform", "nixpkgs", "self", "inputs", "opsbot", "opsbot-host"),
    *("conduwuit", "forgejo", "mautrix-slack", "mautrix-whatsapp", "mautrix-gmessages"),
    *("dbus", "firewall", "nginx", "nix-daemon", "polkit", "postgresql", "sshd"),
})  # fmt: skip


def write_project(name: str, folder: Path) -> Path:
    """Write a project NAME into a folder of that name in FOLDER, and return where it is; nothing is ever overwritten.

    Raises UsageError with what to do instead.
    """
    if problem := _wrong(name):
        raise UsageError(problem)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}: make it first.")
    target = folder / name
    if target.is_symlink() or (target.exists() and not _empty(target)):
        raise UsageError(f"{target} is there already: take another name, or move it away.")
    try:
        with _beside(target) as made:
            for file in _files():
                _copy(file, made / _renamed(str(file.relative_to(_home())), name), name)
            made.chmod(0o755)
            made.rename(target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}.") from None
    return target


def _wrong(name: str) -> str | None:
    """Return why a project cannot be called so; None when it can."""
    module = name.replace("-", "_")
    if not _SHAPE.fullmatch(name) or len(name) > _LONGEST:
        return f"A project's name has small letters, digits and dashes, begins with a letter, {_LONGEST} at most."
    if name in _TAKEN:
        return f"{name} is a part of the platform: take another name."
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        return f"{name} means something else already in Python: take another name."
    if name.startswith("test"):
        return "What begins with test is taken for a test: take another name."
    return None


def _empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a new folder beside the target: it takes the target's place at once or not at all."""
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _home() -> Path:
    """Return the folder of the template: in a checkout, or beside the modules of an installed package."""
    package = Path(next(iter(opsbot.__path__)))
    folders = (package.parent / "nix/templates/project", package / "_project")
    return next((folder for folder in folders if folder.is_dir()), folders[-1])


def _files() -> list[Path]:
    files = [path for path in sorted(_home().rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    if not files:
        raise ConfigError("The project template is not where it belongs: install opsbot again.")
    return files


def _copy(file: Path, target: Path, name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_renamed(file.read_text(encoding="utf-8"), name), encoding="utf-8")


def _renamed(text: str, name: str) -> str:
    # Where Python reads it, a dash is an underscore.
    return text.replace(TEMPLATE, name).replace(TEMPLATE.replace("-", "_"), name.replace("-", "_"))
