"""What watches beside the work, each for as long as the bot runs."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any

from opsbot.console import Console
from opsbot.jobs import reboots
from opsbot.site import Site
from opsbot.slackwatch import SlackWatch
from opsbot.store.database import Database
from opsbot.store.memory import Memory
from opsbot.store.records import Records
from opsbot.watchdog import Watchdog
from opsbot.witness import Witness

Guard = Coroutine[Any, Any, None]


def guards(
    site: Site, database: Database, *, forget: Callable[[datetime], Awaitable[int]], since: datetime | None
) -> tuple[Guard, ...]:
    """Return what is to run beside a bot's work; FORGET and SINCE are the watchdog's and the console's."""
    records = Records(database)
    return (
        Watchdog(site, records, forget=forget).run(),
        Console(site, records, since=since).run(),
        Witness(site, Memory(database)).run(),
        reboots.watch(site),
        SlackWatch(site, Memory(database)).run(),
    )
