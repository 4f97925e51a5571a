"""The objects of the host's configuration, read key by key; what nobody takes is an error."""

import re
from collections.abc import Mapping
from typing import Any

from opsbot.onhost.errors import HostError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,127}\.(service|socket|timer|target|path|mount)")
_LONGEST = 3600


class ConfigError(HostError):
    """The host's configuration is wrong."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__("failed", f"The host's configuration is wrong at {where}: {what}")


class Section:
    """One JSON object of the file; what is not taken from it is an error."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ConfigError(where, "this must be an object")
        self.rest: dict[str, Any] = dict(value)
        self.where = where

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text that is no option; without a DEFAULT it must be there."""
        value = self.rest.pop(key, default)
        if not isinstance(value, str) or not value or value.startswith("-"):
            raise ConfigError(f"{self.where}.{key}", "this must be a text")
        return value

    def maybe(self, key: str) -> str | None:
        """Take a text that may be missing."""
        return self.text(key) if self.rest.get(key) is not None else self.rest.pop(key, None)

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Take a list of texts."""
        value = self.rest.pop(key, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{self.where}.{key}", "this must be a list of texts")
        return tuple(value)

    def units(self, key: str) -> tuple[str, ...]:
        """Take a list of the names of units."""
        names = self.texts(key)
        for name in names:
            if not UNIT.fullmatch(name):
                raise ConfigError(f"{self.where}.{key}", f"{name} is not the name of a unit")
        return names

    def number(self, key: str, default: int, *, least: int, most: int, what: str) -> int:
        """Take a whole number in its range; WHAT names it in the error."""
        value = self.rest.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ConfigError(f"{self.where}.{key}", f"this must be {what} from {least} to {most}")
        return value

    def seconds(self, key: str, default: int, *, least: int = 1) -> int:
        """Take a number of seconds."""
        return self.number(key, default, least=least, most=_LONGEST, what="a number of seconds")

    def yes(self, key: str, *, default: bool) -> bool:
        """Take a yes or a no."""
        value = self.rest.pop(key, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.where}.{key}", "this must be true or false")
        return value

    def items(self, key: str) -> list[Any]:
        """Take a list of anything."""
        value = self.rest.pop(key, [])
        if not isinstance(value, list):
            raise ConfigError(f"{self.where}.{key}", "this must be a list")
        return value

    def named(self, key: str) -> dict[str, Any]:
        """Take an object whose keys are names."""
        value = self.rest.pop(key, {})
        if not isinstance(value, dict):
            raise ConfigError(f"{self.where}.{key}", "this must be an object")
        for name in value:
            if not NAME.fullmatch(name):
                raise ConfigError(f"{self.where}.{key}.{name}", "this is not a name")
        return value

    def sizes(self, key: str, usual: Mapping[str, int]) -> dict[str, int]:
        """Take an object of folders with a number of MiB each, over what is USUAL."""
        value = self.rest.pop(key, {})
        if not isinstance(value, dict):
            raise ConfigError(f"{self.where}.{key}", "this must be an object")
        for folder, size in value.items():
            if not folder.startswith("/") or isinstance(size, bool) or not isinstance(size, int) or size < 0:
                raise ConfigError(f"{self.where}.{key}.{folder}", "this must be a folder with a whole number of MiB")
        return {**usual, **value}

    def end(self) -> None:
        """Refuse what was not taken."""
        for key in self.rest:
            raise ConfigError(f"{self.where}.{key}", "there is no such key")
