"""What a person keeps from everybody else."""

from dataclasses import dataclass
from datetime import datetime

from opsbot.model import Job


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Somebody keeps everybody else from deploying, until they or an admin take it away."""

    host: str
    #: Empty for the whole host.
    project: str
    by: str
    reason: str
    since: datetime
    #: The event of the command: it tells this lock from one that was put in its place.
    cause: str

    @property
    def name(self) -> str:
        """What is locked, as people name it."""
        return self.project or self.host

    def stops(self, job: Job, projects: frozenset[str]) -> bool:
        """Tell whether it is in the way of a job that moves PROJECTS."""
        return self.by != job.person and self.host == job.host and (not self.project or self.project in projects)
