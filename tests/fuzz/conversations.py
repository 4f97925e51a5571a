"""A whole bot: whatever is said to it, and whatever its host answers, it answers plainly and goes on."""

import asyncio
import contextlib
import logging
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from opsbot.onhost import grammar
from opsbot.onhost.verbs import VERBS
from opsbot.render.text import LONGEST
from opsbot.testing import Bench
from tests.fuzz.people import TALK, TYPED
from tests.fuzz.tools import is_plain, parser, pieces


class Stage:
    """A bench that is opened with the first example, and its loop."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._bench: Bench | None = None
        self._open = contextlib.AsyncExitStack()

    def say(self, person: str, said: str, answers: dict[str, Any] | None = None) -> str:
        """Say something as somebody while the host has these ANSWERS; return what was said."""
        if self._runner is None:
            self._runner = asyncio.Runner()
            logging.getLogger("opsbot").setLevel(logging.CRITICAL)
        return self._runner.run(self._say(person, said, answers or {}))

    async def _say(self, person: str, said: str, answers: dict[str, Any]) -> str:
        if self._bench is None:
            self._bench = await self._open.enter_async_context(
                Bench.open(Path(tempfile.mkdtemp(prefix="opsbot-fuzz-")))
            )
        self._bench.host.asked.clear()
        self._bench.host.says = dict(answers)
        return await self._bench.say(person, said)

    @property
    def asked(self) -> list[tuple[str, Any]]:
        """What the host was asked."""
        return [] if self._bench is None else self._bench.host.asked


STAGE = Stage()
PERSON = st.sampled_from(["admin", "deployer", "contributor", "member", "@mallory:example.org"])


@parser("conversation", st.tuples(PERSON, TYPED.map(lambda said: f"!{said}") | pieces("!", "@opsbot ", *TALK)))
def conversation(said: tuple[str, str]) -> None:
    """Whatever anybody says, the answer is plain and fits a message, and a host is asked only in its own grammar."""
    answer = STAGE.say(*said)
    assert all(len(paragraph) <= LONGEST for paragraph in answer.split("\n\n"))
    assert is_plain(answer)
    assert "Something broke" not in answer
    for verb, arguments in STAGE.asked:
        if verb != "close":
            grammar.check(VERBS[verb].arguments, arguments)
    assert STAGE.say("member", "!hello") == "Hello, world!"
