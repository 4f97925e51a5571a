"""The port of those who go to a host, and who keep others from it."""

from collections.abc import Sequence
from typing import Protocol

from opsbot.locks import Lock
from opsbot.model import Job


class Locks(Protocol):
    """Who goes to a host, and who keeps others from it."""

    async def locks(self) -> list[Lock]:
        """Return the locks that people have put, by host and project."""
        ...

    async def put_lock(self, lock: Lock) -> Lock:
        """Put a lock, in place of an older one of the same person; return the one that stands, if it is another's."""
        ...

    async def take_away(self, lock: Lock) -> bool:
        """Take this very lock away; False, changing nothing, when it is gone or another one is in its place."""
        ...

    async def enter(self, job_id: str) -> Sequence[Job]:
        """Let a job pass to its host, or into the line before it; return those that go first. Empty: it has passed."""
        ...

    async def take_lock(self, host: str, job_id: str) -> Job | None:
        """Take the lock of a host for a job; return the open job that has it, or goes first, instead, if one does."""
        ...

    async def lock_holder(self, host: str) -> Job | None:
        """Return the open job that holds a host's lock, if one does."""
        ...

    async def free_lock(self, host: str, job_id: str) -> None:
        """Let go of a host's lock, if this job has it."""
        ...
