"""How long to wait before asking a homeserver again, and how to wait without looking dead."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from opsbot.errors import OpsbotError
from opsbot.matrix.problems import AnswerError, HomeserverUnwellError, TokenRefusedError

#: Seconds, at most, while nobody answers: whoever waits for a deploy waits for this too.
AWAY = 1.0
#: Seconds, at most, while the homeserver answers with an error.
UNWELL = 10.0
#: Seconds between two signs of life.
TICK = 5.0

T = TypeVar("T")


def pause(failures: int, problem: OpsbotError) -> float:
    """Return the seconds to wait after so many FAILURES in a row; random, so that not all come back at once."""
    answered = isinstance(problem, HomeserverUnwellError | TokenRefusedError | AnswerError)
    most = UNWELL if answered else AWAY
    least = problem.wait if isinstance(problem, HomeserverUnwellError) else 0.0
    grown = min(most, 0.1 * 2.0 ** min(failures, 10))
    return least + grown * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


async def rest(seconds: float, on_turn: Callable[[], None]) -> None:
    """Wait, and show all the while that this is no standstill."""
    while seconds > 0:
        on_turn()
        await asyncio.sleep(min(seconds, TICK))
        seconds -= TICK


async def alive(work: Coroutine[Any, Any, T], on_turn: Callable[[], None]) -> T:
    """Return the result of WORK, which ends in time by itself, and show until then that this is no standstill."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=TICK))[0]:
            on_turn()
        return task.result()
    finally:
        task.cancel()
