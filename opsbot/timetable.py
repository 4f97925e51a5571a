"""What is done when the time of a schedule has come."""

import logging
from datetime import datetime

from opsbot.context import Tick
from opsbot.errors import ChatUnreachableError, OpsbotError
from opsbot.model import Json, Post, Text
from opsbot.ports import Run
from opsbot.site import Site
from opsbot.triggers.functions import Schedule
from opsbot.triggers.grants import room_of

log = logging.getLogger(__name__)

#: Seconds after which a time is past: what the bot was to say then is of no use any more.
TOO_LATE = 3600
#: Seconds until a room is looked for again whose id the homeserver has not told yet.
_PATIENCE = 5


async def tick(name: str, at: datetime, run: Run, site: Site, since: datetime | None = None) -> None:
    """Call the schedule NAME for the time AT, and post what it says once; after a crash it goes on where it was.

    Times before SINCE are not the bot's to remember: it may have been there.
    """
    if since is not None and at <= since:
        return
    schedule = site.schedules.get(name)
    if schedule is None:
        log.warning("schedule gone", extra={"schedule": name})
        return
    said = await run.step("call", lambda: _call(schedule, at, site))
    if said is not None:
        await run.step("post", lambda: _post(schedule, at, said, site))


async def _call(schedule: Schedule, at: datetime, site: Site) -> Json:
    if _late(schedule, at, site):
        return None
    place = Tick(site=site, plugin=schedule.plugin, at=at.astimezone(site.config.zone))
    about = {"schedule": schedule.name, "plugin": schedule.plugin}
    try:
        text = await schedule.said(place)
    except OpsbotError as error:
        log.error("schedule failed", extra={**about, "why": str(error)})  # noqa: TRY400 - its sentence tells all
        return None
    except Exception:
        log.exception("schedule failed", extra=about)
        return None
    log.info("schedule called", extra={**about, "said": text is not None})
    return None if text is None else {"body": text.body, "html": text.html}


async def _post(schedule: Schedule, at: datetime, said: Json, site: Site) -> Json:
    while not _late(schedule, at, site):
        try:
            room_id = await site.chat.room_id(room_of(schedule, site.config))
        except ChatUnreachableError:
            await site.clock.sleep(_PATIENCE)
        else:
            cause = f"schedule:{schedule.name}:{at.isoformat()}"
            await site.outbox.post(Post(cause=cause, room_id=room_id, text=Text(**said)))
            return None
    return None


def _late(schedule: Schedule, at: datetime, site: Site) -> bool:
    seconds = (site.clock.now() - at).total_seconds()
    if seconds > TOO_LATE:
        log.warning("schedule missed", extra={"schedule": schedule.name, "at": at.isoformat(), "seconds": seconds})
    return seconds > TOO_LATE
