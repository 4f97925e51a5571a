"""The words that people type, as values: checked once, at the door."""

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from opsbot.errors import UsageError

#: The signs of a reaction that mean something.
YES, NO = "✅", "❌"


class Words(str):
    """Free words: an option of this type takes everything up to the next option."""

    __slots__ = ()


NO_WORDS = Words()


@dataclass(frozen=True)
class Project:
    """A project of the team, by its name in the configuration; `platform` is the host's own configuration."""

    name: str

    GRAMMAR: ClassVar = re.compile(r"[a-z][a-z0-9_-]{0,62}")
    #: The command that lists what there is.
    LISTED_BY: ClassVar = "projects"

    @classmethod
    def parse(cls, word: str) -> Self:
        """Take a typed word."""
        if not cls.GRAMMAR.fullmatch(word):
            raise UsageError("A project's name has small letters, digits, - and _, and begins with a letter.")
        return cls(word)

    def __str__(self) -> str:
        return self.name


#: The name under which the host's own configuration is deployed.
PLATFORM = Project("platform")


@dataclass(frozen=True)
class Target:
    """What a rollback goes back with: a project, or a generation of the host."""

    project: Project | None = None
    generation: int | None = None

    NOUN: ClassVar = "project"
    LISTED_BY: ClassVar = "projects"
    #: A number is none of the names, and is one all the same.
    NUMBERS: ClassVar = True

    @classmethod
    def parse(cls, word: str) -> Self:
        """Take a typed word: a number is a generation."""
        if word.isascii() and word.isdigit():
            if len(word) > 9:  # noqa: PLR2004 - more digits than any profile has
                raise UsageError("A generation is a number like 31; `generations` lists them.")
            return cls(generation=int(word))
        return cls(project=Project.parse(word))

    def __str__(self) -> str:
        return str(self.project or self.generation)


LAST_PROVED = Target()


@dataclass(frozen=True)
class Place:
    """A project or a host, by its name in the configuration, where both are meant; a project's name goes first."""

    name: str = ""

    GRAMMAR: ClassVar = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
    NOUN: ClassVar = "project or host"
    LISTED_BY: ClassVar = "locks"
    #: A word that is none of the names, nor nearly one, belongs to what is typed behind it.
    MAY_BE_LEFT_OUT: ClassVar = True

    @classmethod
    def parse(cls, word: str) -> Self:
        """Take a typed word."""
        if not cls.GRAMMAR.fullmatch(word):
            raise UsageError("A project or a host has letters, digits, - and _, and begins with a letter.")
        return cls(word)

    def __str__(self) -> str:
        return self.name


#: The default host.
DEFAULT_PLACE = Place()


@dataclass(frozen=True)
class Revision:
    """A branch, a tag or a commit of a project."""

    name: str

    #: What git accepts as a name, less everything that has a meaning to a shell, a path or an option.
    GRAMMAR: ClassVar = re.compile(r"(?!.*(\.\.|//|\.lock(/|$)|/\.))[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}(?<![./])")

    @classmethod
    def parse(cls, word: str) -> Self:
        """Take a typed word; a word that git would not accept is refused."""
        if not cls.GRAMMAR.fullmatch(word):
            raise UsageError("A revision is the name of a branch or a tag, or a commit id.")
        return cls(word)

    def __str__(self) -> str:
        return self.name


MAIN = Revision("main")


@dataclass(frozen=True)
class Unit:
    """A systemd unit; a name without an ending is a service."""

    name: str

    GRAMMAR: ClassVar = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,99}")
    ENDINGS: ClassVar = (".service", ".socket", ".timer", ".target", ".mount", ".path", ".slice")

    @classmethod
    def parse(cls, word: str) -> Self:
        """Take a typed word."""
        if not cls.GRAMMAR.fullmatch(word):
            raise UsageError("A unit is named like `nginx` or `nginx.service`.")
        return cls(word if word.endswith(cls.ENDINGS) else f"{word}.service")

    def __str__(self) -> str:
        return self.name
