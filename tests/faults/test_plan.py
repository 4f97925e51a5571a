"""The faults of a campaign: always the same for a seed, all kinds in the first round, all places in the whole."""

from collections import Counter
from itertools import islice

from tests.faults.plan import HOUR, SHARES, STEPS, WHOLE, Fault, Kind, campaign


def faults(count: int, *, seed: int = 1) -> list[Fault]:
    """Return the first faults of a seed."""
    return list(islice(campaign(seed, pause=8.0), count))


def test_a_seed_is_a_campaign() -> None:
    """The same seed gives the same faults, a longer campaign begins as a shorter one, and another seed is another."""
    assert faults(24) == faults(WHOLE)[:24]
    assert faults(24) != faults(24, seed=2)
    assert [Fault.of(one.as_json()) for one in faults(24)] == faults(24)


def test_a_short_campaign_has_every_kind() -> None:
    """As many faults as there are kinds in worlds have each of them once."""
    assert Counter((one.kind, one.where) for one in faults(len(SHARES))) == dict.fromkeys(SHARES, 1)


def test_the_whole_campaign_has_its_shares() -> None:
    """Two hundred faults are distributed as the table of shares says, give or take one."""
    given = Counter((one.kind, one.where) for one in faults(WHOLE))
    assert WHOLE == 200
    assert all(abs(given[key] - share) <= 1 for key, share in SHARES.items()), given


def test_the_bot_dies_before_in_and_after_every_step() -> None:
    """Nearly every place at every step of deploy and rollback is in the whole campaign, none twice."""
    places = [(one.work, one.at) for one in faults(WHOLE) if one.kind is Kind.STEP]
    every = {
        (work, f"{when} {step}") for work, all_ in STEPS.items() for step in all_ for when in ("before", "in", "after")
    }
    assert set(places) <= every
    assert len(set(places)) == len(places) >= len(every) - 4


def test_clocks_go_wrong_both_ways() -> None:
    """Each clock is an hour ahead in half of its faults, and an hour behind in the other half."""
    lasts = Counter((one.kind, one.lasts) for one in faults(WHOLE) if one.kind in (Kind.CLOCK_BOT, Kind.CLOCK_HOST))
    assert lasts == dict.fromkeys(
        [(kind, off) for kind in (Kind.CLOCK_BOT, Kind.CLOCK_HOST) for off in (HOUR, -HOUR)], 2
    )
