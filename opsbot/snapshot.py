"""The platform at one moment, as `!status` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.model import Hold, Job, Json, Probe


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """What one host said of itself; with a problem in place of what it did not say."""

    name: str
    facts: Json = None
    newest: Json = None
    problem: str = ""
    newest_problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The platform as it is now."""

    probes: Mapping[str, Probe | None]
    certificates: Mapping[str, float | str]
    hosts: tuple[HostStatus, ...]
    jobs: tuple[Job, ...]
    holds: tuple[Hold, ...]
    #: Whether the hosts themselves are shown, or were only asked for their units.
    whole: bool = True
    #: What keeps us from Slack, if anything does.
    slack: str = ""
