"""The lines of the configuration's `rules`, and what they are held against."""

import fnmatch
from dataclasses import dataclass

from opsbot.model import Level, Person
from opsbot.words import PLATFORM


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What somebody wants: a command, where it was said, and all that it touches."""

    command: str
    needs: Level
    #: The names of the room that it was said in.
    rooms: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    #: The branch or tag that it would deploy, where that is known.
    revision: str | None = None
    #: The options that take a safeguard away and were given.
    guarded: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Whom and what a rule is about; None means any."""

    people: frozenset[str] | None = None
    levels: frozenset[Level] | None = None
    rooms: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    hosts: frozenset[str] | None = None
    #: Patterns, like `release-*`.
    revisions: tuple[str, ...] | None = None
    options: frozenset[str] | None = None

    def _speaker(self, person: Person, ask: Ask) -> bool:
        return (
            (self.people is None or person.name in self.people)
            and (self.levels is None or person.level in self.levels)
            and (self.rooms is None or bool(self.rooms & ask.rooms))
        )

    def _revision(self, ask: Ask) -> bool:
        if self.revisions is None:
            return True
        return ask.revision is not None and any(fnmatch.fnmatchcase(ask.revision, one) for one in self.revisions)

    def touch(self, person: Person, ask: Ask) -> bool:
        """Tell whether something of what is asked is meant: so a prohibition catches it."""
        return (
            self._speaker(person, ask)
            and (self.projects is None or bool(self.projects & ask.projects))
            and (self.hosts is None or bool(self.hosts & ask.hosts))
            and self._revision(ask)
            and (self.options is None or bool(self.options & ask.guarded))
        )

    def cover(self, person: Person, ask: Ask) -> bool:
        """Tell whether all of what is asked is meant: only so does a permission reach it."""
        return (
            self._speaker(person, ask)
            and (self.projects is None or (bool(ask.projects) and ask.projects <= self.projects))
            and (self.hosts is None or (bool(ask.hosts) and ask.hosts <= self.hosts))
            and self._revision(ask)
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of the configuration's `rules`: an exception from what the levels say."""

    place: str
    allow: bool
    #: Names of commands; an empty set means every command.
    commands: frozenset[str]
    terms: Terms
    unless: Terms | None = None
    reason: str = ""

    def denies(self, person: Person, ask: Ask) -> bool:
        """Tell whether this rule forbids it."""
        if self.allow or not self._about(ask) or not self.terms.touch(person, ask):
            return False
        open_commit = ask.revision is None and self._of_revisions and bool(ask.projects)
        return not open_commit and not (self.unless is not None and self.unless.cover(person, ask))

    def grants(self, person: Person, ask: Ask) -> bool:
        """Tell whether this rule permits all of it. The platform and guarded options must be named for that."""
        named = self.terms.projects or frozenset()
        return (
            self.allow
            and self._about(ask)
            and self.terms.cover(person, ask)
            and not (self.unless is not None and self.unless.touch(person, ask))
            and (PLATFORM.name not in ask.projects or PLATFORM.name in named)
            and ask.guarded <= (self.terms.options or frozenset())
        )

    @property
    def _of_revisions(self) -> bool:
        return self.unless is not None and self.unless.revisions is not None

    def _about(self, ask: Ask) -> bool:
        return not self.commands or ask.command in self.commands
