from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from opsbot.hours import Hours

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "within"),
    [
        ("2026-01-05T08:00", True),  # a Monday
        ("2026-01-05T07:59", False),
        ("2026-01-09T17:59", True),
        ("2026-01-09T18:00", False),
        ("2026-01-10T11:00", True),
        ("2026-01-10T13:00", False),
        ("2026-01-11T23:59:59.5", True),
        ("2026-01-12T00:00", True),
        ("2026-01-12T01:00", False),
    ],
)
def test_hours_are_days_and_times(moment: str, *, within: bool) -> None:
    """A moment is within the hours by its weekday and its time in the zone."""
    hours = Hours.parse("mon-fri 08:00-18:00, Sat 10:00-12:00, sun 22:00-24:00, mon 00:00-01:00")

    assert hours.hold_at(datetime.fromisoformat(moment).replace(tzinfo=BERLIN), BERLIN) is within


def test_hours_are_on_the_clocks_of_their_zone() -> None:
    """Eight o'clock is eight o'clock there, in summer and in winter."""
    hours = Hours.parse("mon-sun 08:00-09:00")
    for moment in ("2026-01-05T07:30+00:00", "2026-07-06T06:30+00:00"):
        assert hours.hold_at(datetime.fromisoformat(moment), BERLIN)


def test_days_go_round() -> None:
    """`fri-mon` is the long week-end."""
    hours = Hours.parse("fri-mon 00:00-24:00")
    days = [hours.hold_at(datetime(2026, 1, day, 12, tzinfo=BERLIN), BERLIN) for day in range(5, 12)]
    assert days == [True, False, False, False, True, True, True]


@pytest.mark.parametrize(
    "text",
    ["", "always", "mon", "mon 8-18", "mon 08:00-08:00", "mon 18:00-08:00", "foo 08:00-09:00", "mon 08:00-25:00"],
)
def test_what_are_no_hours_is_refused(text: str) -> None:
    """Hours that cannot be meant are refused with what they should look like."""
    with pytest.raises(ValueError, match="must"):
        Hours.parse(text)
