"""What a command asks for when its work outlives it."""

from dataclasses import dataclass

from opsbot.model import Job
from opsbot.words import MAIN, Project, Revision, Target


@dataclass(frozen=True)
class Deploy:
    """Put a revision of a project on its host."""

    project: Project
    revision: Revision = MAIN
    dry_run: bool = False
    reason: str = ""
    #: Also where it goes back over what does not go back, or something keeps it away.
    force: bool = False
    #: Only as the default of the next boot.
    boot: bool = False
    #: In the line before a busy host.
    wait: bool = False


@dataclass(frozen=True)
class Rollback:
    """Go back: a project to its last proved revision, a host to a generation (without a number, the last proved)."""

    target: Target
    reason: str = ""
    force: bool = False
    boot: bool = False


@dataclass(frozen=True)
class Publish:
    """Publish once more what a job has put in place: its forge was away when it ended."""

    job: Job
