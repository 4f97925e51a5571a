"""All attempts, in the order in which they are made."""

from collections.abc import Iterable
from dataclasses import replace

from tests.attack import building, callers, consent, host, identity, locks, repository, words
from tests.attack.attempt import Attempt


def _of(kind: str, attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    return tuple(replace(attempt, kind=kind) for attempt in attempts)


#: What is said in the rooms.
BY_THE_ROOM = (
    *_of("identity", identity.ATTEMPTS),
    *_of("rights", identity.RIGHTS),
    *_of("replay", words.REPLAYED),
    *_of("edit, quotation", words.UNHEARD),
    *_of("injection", words.INJECTED),
    *_of("lock", locks.ATTEMPTS),
    *_of("approval", consent.ATTEMPTS),
)
#: What those who have left say, and what is asked of the host; meanwhile a request expires.
BY_THE_HOST = (
    *_of("identity", consent.GONE),
    *_of("flood", (consent.FLOOD,)),
    *_of("forced command", host.SSH),
    *_of("frames", host.FRAMES),
    *_of("protected branches", repository.UNPROTECTED),
    *_of("builder's word", repository.BUILDER),
    *_of("project", repository.PROJECTS),
    *_of("webhook", callers.HOOKS),
)
LAST = (*_of("approval", (consent.EXPIRED,)), *_of("audit", callers.DATABASE))
#: What the real Nix builds, on a host of its own.
BY_NIX = _of("code before consent", building.ATTEMPTS)
ALL = (*BY_THE_ROOM, *BY_THE_HOST, *LAST, *BY_NIX)
