"""The parts of the configuration that say who and when: approvals, rules, windows and embargoes."""

from zoneinfo import ZoneInfo

from pydantic import Field

from opsbot.config import grammar as g
from opsbot.config.neighbours import Section
from opsbot.model import Level
from opsbot.periods import Period
from opsbot.rules import Rule, Terms


class ApprovalsEntry(Section):
    """Whose word is needed, besides that of who asks, before something is activated."""

    deploy: g.WordOf = Field(Level.STRANGER, description="for a project: none, member, deployer or admin")
    rollback: g.WordOf = Field(Level.STRANGER, description="for going back: none, member, deployer or admin")
    platform: g.WordOf = Field(Level.STRANGER, description="for the platform: none, member, deployer or admin")
    risky: g.WordOf = Field(Level.STRANGER, description="where the plan shows a risk: none, member, deployer or admin")
    hours: g.OpenHours | None = Field(None, description="outside of these everything is risky")
    expires: g.Expiry = Field(3600, description="seconds until a request has expired")
    remind: g.Expiry = Field(900, description="seconds until it is said once more")
    alone: g.Waiting | None = Field(None, description="seconds until who asks may agree where nobody else could")


class TermsEntry(Section):
    """Whom and what a rule is about; what is left out means any."""

    people: tuple[g.Name, ...] | None = Field(None, min_length=1, description="persons, by their names above")
    levels: tuple[g.LevelName, ...] | None = Field(None, min_length=1, description="persons of exactly these levels")
    rooms: tuple[g.SaidIn, ...] | None = Field(None, min_length=1, description="rooms, or channels of Slack")
    projects: tuple[g.RuledProject, ...] | None = Field(None, min_length=1, description="projects, or platform")
    hosts: tuple[g.Name, ...] | None = Field(None, min_length=1, description="hosts")
    revisions: tuple[g.Revisions, ...] | None = Field(None, min_length=1, description="branches and tags, or patterns")
    options: tuple[g.Option, ...] | None = Field(None, min_length=1, description="options that take a safeguard away")

    def terms(self) -> Terms:
        """Return the value that the policy knows them as."""
        given = {key: getattr(self, key) for key in TermsEntry.model_fields}
        revisions = given.pop("revisions")
        sets = {key: None if words is None else frozenset(words) for key, words in given.items()}
        return Terms(revisions=revisions, **sets)


class RuleEntry(TermsEntry):
    """An exception from what the levels say."""

    allow: g.Commands | None = Field(None, description="the commands that it allows, or all")
    deny: g.Commands | None = Field(None, description="the commands that it forbids, or all")
    unless: TermsEntry | None = Field(None, description="whom and what it does not mean")
    reason: g.Reason = Field("", description="what is answered with it")

    def rule(self, number: int) -> Rule:
        """Return the value that the policy knows it as; NUMBER is its place in the list, from 1."""
        return Rule(
            place=f"rules[{number}]",
            allow=self.allow is not None,
            commands=frozenset(self.allow or self.deny or ()),
            terms=self.terms(),
            unless=None if self.unless is None else self.unless.terms(),
            reason=self.reason,
        )


class PeriodEntry(Section):
    """Hours of the week for what is deployed; what is left out means everything."""

    hours: g.OpenHours = Field(description="days and times, like `fri 15:00-24:00, sat-sun 00:00-24:00`")
    timezone: g.Zone | None = Field(None, description="the zone of these times, where it is not `timezone`")
    projects: tuple[g.RuledProject, ...] | None = Field(None, min_length=1, description="projects, or platform")
    hosts: tuple[g.Name, ...] | None = Field(None, min_length=1, description="hosts")
    reason: g.Reason = Field("", description="what is answered with it")

    def period(self, place: str, usual: ZoneInfo) -> Period:
        """Return the value that the jobs know it as; PLACE is where it stands, USUAL the zone of the configuration."""
        return Period(
            place=place,
            hours=self.hours,
            zone=usual if self.timezone is None else ZoneInfo(self.timezone),
            projects=None if self.projects is None else frozenset(self.projects),
            hosts=None if self.hosts is None else frozenset(self.hosts),
            reason=self.reason,
        )


class LimitsEntry(Section):
    """The most that is taken; what is more is passed over."""

    person: g.Rate = Field(30, description="commands of one person within a minute")
    room: g.Rate = Field(60, description="commands in one room within a minute")
    strangers: g.Rate = Field(10, description="commands within a minute of all in a room who are not in `people`")
    queued: g.Rate = Field(20, description="commands of one person that are at work or wait")
    jobs: g.Rate = Field(10, description="open jobs of one person")
    all_jobs: g.Rate = Field(30, description="open jobs of everybody")
    characters: g.Characters = Field(4000, description="characters behind a command's name")
