"""What can be measured, by the name that the command line knows it by."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench import jobs, talk, weather
from bench.figures import Figure
from bench.sizes import Sizes


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is measured, in words, and the function that does it in an empty folder."""

    about: str
    run: Callable[[Path, Sizes], Awaitable[list[Figure]]]
    #: What stands in the table beside opsbot.
    beside: str = "plain loop"


SCENARIOS = {
    "round-trip": Scenario(about="from a command to its answer, as its sender sees it", run=talk.round_trip),
    "deploy": Scenario(about="`!deploy` and `!rollback` beside the same steps", run=jobs.deploy, beside="by hand"),
    "status": Scenario(about="`!status` beside the slowest thing that it asks", run=jobs.status, beside="beside it"),
    "start": Scenario(about="from the start of the process to the first answer", run=weather.start),
    "outage": Scenario(about="from the homeserver's first answer to the first command answered", run=weather.outage),
    "kill": Scenario(about="the bot is killed in the middle of a burst, and started again", run=talk.kill),
    "away": Scenario(about="commands are said while the bot is down", run=talk.away),
    "burst": Scenario(about="five people talk at once in five rooms", run=talk.burst),
    "long-log": Scenario(about="a deploy whose build says very much", run=jobs.long_log, beside=""),
}
