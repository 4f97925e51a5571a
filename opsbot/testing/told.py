"""What a fake host is told to do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from opsbot.errors import HostUnreachableError
from opsbot.happened import nothing
from opsbot.model import Json


class Told:
    """How a fake host behaves: well, until a test says otherwise."""

    def __init__(self) -> None:
        self.away = False
        #: How many answers are lost from now on: the host does its work, and nobody hears of it.
        self.lose_next = 0
        #: How many verbs from now on answer that something failed, though the host goes on with what it does.
        self.fail_next = 0
        #: Whether the host is rebooted once, after the word to commit and before the commit is done.
        self.lose_commit = False
        #: How many times publishing fails.
        self.publish_fails = 0
        #: Called when a verb has begun its work.
        self.on_prepare: Callable[[], object] = nothing
        self.on_plan: Callable[[], object] = nothing
        self.on_activate: Callable[[], object] = nothing
        #: How parts of jobs end in place of well, by verb: {"prepare": {"status": "failed", …}}.
        self.endings: dict[str, Json] = {}
        #: The branch on which the host finds a commit that is named by its id.
        self.found_on = "main"
        #: What makes its builds other systems than those that the revisions give; see `FakeHost.build_anew`.
        self.built_anew = ""
        #: What speaks against a deploy before it is built: `{"code": …, "message": …}` each.
        self.problems: list[Json] = []
        #: What answers in its place, and what it answers to some verbs whatever they ask.
        self.stranger: HostUnreachableError | None = None
        self.says: dict[str, Json] = {}
        #: Verbs that its helper is too old to know.
        self.unknown: set[str] = set()
        #: Verbs whose unit it no longer has.
        self.unitless: set[str] = set()
        #: The projects that a deploy of the platform would move.
        self.platform_moves: tuple[str, ...] = ()
        #: The versions that its helper tells, and what its clock shows, in seconds since 1970.
        self.version, self.protocol = "0.1.0", 1
        self.now: Callable[[], float] = time.time
        #: Seconds that its clock and the bot's may be apart.
        self.clock = 60
        #: Whether it stays at work on what it was told to build, until it is not any more.
        self.at_work = False
        self.log = "building…\n"
        #: What the plan says beside the usual.
        self.plan: dict[str, Json] = {}

    async def lines(self, offset: int) -> AsyncIterator[Json]:
        """Yield the log of a build once; a host that stays at work only shows that it is there."""
        while self.at_work:
            await asyncio.sleep(0.005)
            yield {"beat": True}
        if offset == 0:
            yield {"offset": offset, "text": self.log}
