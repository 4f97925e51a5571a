"""Times and sizes as people say them."""

from datetime import datetime, tzinfo

_STEPS = (
    (365 * 86400, "year"),
    (30 * 86400, "month"),
    (7 * 86400, "week"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
)


def duration(seconds: float) -> str:
    """Say how long something took: "0.4 s", "12 s", "3 min 5 s", "2 h 5 min"."""
    if seconds < 9.95:  # noqa: PLR2004 - where "10.0 s" would begin
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def age(seconds: float) -> str:
    """Say how long ago something was: "just now", "5 minutes ago", "2 weeks ago"."""
    return f"{span(seconds)} ago" if seconds >= _STEPS[-1][0] else "just now"


def span(seconds: float) -> str:
    """Say for how long something has been: "5 minutes", "2 weeks", "less than a minute"."""
    for length, noun in _STEPS:
        count = int(seconds // length)
        if count > 0:
            return f"{count} {noun}{'s' if count > 1 else ''}"
    return "less than a minute"


def clock(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """Say when something was, on the clocks of a zone: "14:05", "Mon 14:05", "2026-11-23 14:05"."""
    there, today = moment.astimezone(zone), now.astimezone(zone)
    days = (today.date() - there.date()).days
    if days == 0:
        return f"{there:%H:%M}"
    return f"{there:%a %H:%M}" if 0 < days < 7 else f"{there:%Y-%m-%d %H:%M}"  # noqa: PLR2004 - days of a week


def size(count: float) -> str:
    """Say a number of bytes: "12.0 KiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004 - the binary step
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
