"""How long to wait before asking a homeserver again."""

import random

from opsbot.errors import ChatUnreachableError, OpsbotError

#: Seconds, at most, while nobody answers: whoever waits for a deploy waits for this too.
AWAY = 2.0
#: Seconds, at most, while the homeserver answers with an error.
UNWELL = 10.0


class HomeserverUnwellError(ChatUnreachableError):
    """The homeserver answers, but not what it was asked."""

    def __init__(self, sentence: str = "", *, wait: float = 0.0) -> None:
        super().__init__(sentence)
        #: Seconds that the homeserver wants to be left alone.
        self.wait = wait


def pause(failures: int, problem: OpsbotError) -> float:
    """Return the seconds to wait after so many FAILURES in a row; random, so that not all come back at once."""
    most = UNWELL if isinstance(problem, HomeserverUnwellError) else AWAY
    least = problem.wait if isinstance(problem, HomeserverUnwellError) else 0.0
    grown = min(most, 0.1 * 2.0 ** min(failures, 10))
    return least + grown * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
