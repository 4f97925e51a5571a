"""Cron expressions: five fields, as in a crontab."""

import re
from datetime import datetime

from croniter import CroniterBadDateError, croniter

from opsbot.errors import ConfigError

#: Without seconds, of which a room has no use, and without croniter's random fields, which mean another time each day.
_FIELDS = re.compile(r"[0-9a-z*/,#-]+( [0-9a-z*/,#-]+){4}")
_LONGEST = 200
_RANDOM = re.compile(r"(^|[ ,])[hr]([ ,(/]|$)")


def checked(expression: str) -> str:
    """Return an expression in one form: five fields with single spaces. Raises ConfigError when it is none."""
    plain = " ".join(expression.split()).lower()
    if len(plain) > _LONGEST or not _FIELDS.fullmatch(plain) or _RANDOM.search(plain) or not croniter.is_valid(plain):
        example = "give minute, hour, day, month and weekday, like '0 9 * * mon-fri'."
        raise ConfigError(f"{plain[:_LONGEST]!r} is no cron expression: {example}")
    try:
        croniter(plain).get_next()
    except CroniterBadDateError:
        raise ConfigError(f"{plain!r} is a day that never comes.") from None
    return plain


def newest(expression: str, now: datetime) -> datetime:
    """Return the last time before NOW that an expression means, in the zone of NOW."""
    found: datetime = croniter(expression, now).get_prev(datetime)
    return found
