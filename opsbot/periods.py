"""When is deployed, no I/O: windows, outside of which nothing is, and embargoes, within which nothing is."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from opsbot.hours import Hours


@dataclass(frozen=True, kw_only=True)
class Period:
    """Hours of the week for some projects and hosts; None means any."""

    #: Where it stands in the configuration.
    place: str
    hours: Hours
    zone: tzinfo
    projects: frozenset[str] | None = None
    hosts: frozenset[str] | None = None
    reason: str = ""

    def about(self, host: str, project: str) -> bool:
        """Tell whether it is about a project on a host."""
        return (self.hosts is None or host in self.hosts) and (self.projects is None or project in self.projects)

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether a moment is within it."""
        return self.hours.hold_at(moment, self.zone)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """All of them. Where a window is about something, one such window must be open; an embargo goes before that."""

    windows: Sequence[Period] = field(default_factory=tuple)
    embargoes: Sequence[Period] = field(default_factory=tuple)

    def against(self, host: str, projects: Collection[str], now: datetime) -> Iterable[tuple[str, str]]:
        """Yield what speaks against moving PROJECTS on a HOST now: a word for the machine, and a sentence."""
        for project in sorted(projects):
            for embargo in self.embargoes:
                if embargo.about(host, project) and embargo.holds_at(now):
                    yield "embargo", _embargo_words(embargo, project, now)
            about = [window for window in self.windows if window.about(host, project)]
            if about and not any(window.holds_at(now) for window in about):
                yield "window", _window_words(about, project, now)


def _embargo_words(embargo: Period, project: str, now: datetime) -> str:
    since, until = embargo.hours.since(now, embargo.zone), embargo.hours.until(now, embargo.zone)
    begun = f" since {_clock(since, embargo.zone)}" if since else ""
    ends = f" until {_clock(until, embargo.zone)} {_zone(embargo)}" if until else " at all hours"
    return f"there is an embargo on {project}{begun}{ends}{_why(embargo)} ({embargo.place})."


def _window_words(windows: Sequence[Period], project: str, now: datetime) -> str:
    opening = [(until, one) for one in windows if (until := one.hours.until(now, one.zone)) is not None]
    soonest, one = min(opening, key=lambda pair: pair[0]) if opening else (None, windows[0])
    begun = max(
        (since for window in windows if (since := window.hours.since(now, window.zone)) is not None), default=None
    )
    closed = f", since {_clock(begun, one.zone)}" if begun else ""
    opens = f"; it opens {_clock(soonest, one.zone)} {_zone(one)}" if soonest else ""
    return f"it is outside of the deploy window of {project}, {one.hours}{closed}{opens}{_why(one)} ({one.place})."


def _clock(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %H:%M}"


def _zone(period: Period) -> str:
    return str(period.zone)


def _why(period: Period) -> str:
    return f": {period.reason.rstrip('.')}" if period.reason else ""
