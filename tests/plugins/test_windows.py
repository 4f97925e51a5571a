from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsbot.hours import Hours
from opsbot.testing import Bench

# The clock of a bench begins at noon on a Monday, UTC.
NIGHT = [{"hours": "mon-fri 08:00-11:00", "reason": "somebody is awake"}]
EMBARGO = [{"hours": "mon 10:00-14:00", "projects": ["hello-bot"], "reason": "the fair"}]


async def test_outside_of_the_window_nothing_is_deployed(tmp_path: Path) -> None:
    """A deploy outside of its window is refused before the build: which, since when, when it opens, what to do."""
    async with Bench.open(tmp_path, deploy_windows=NIGHT) as bench:
        refused = await bench.say("deployer", "!deploy hello-bot")

        assert (
            "hello-bot main was not deployed: It is outside of the deploy window of hello-bot, mon-fri 08:00-11:00, "
            "since Mon 11:00; it opens Tue 08:00 UTC: somebody is awake (deploy_windows[1]). Deploy it at another "
            "time. An admin may go past that with `--force`. Going back is possible at any time. Nothing was built"
        ) in refused
        assert bench.host.asked == []
        bench.clock.pass_time(21 * 3600)
        assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy hello-bot")


async def test_an_embargo_is_about_what_it_names(tmp_path: Path) -> None:
    """Within an embargo on a project that one is not deployed, and others are."""
    async with Bench.open(tmp_path, embargoes=EMBARGO) as bench:
        refused = await bench.say("deployer", "!deploy hello-bot")

        assert (
            "There is an embargo on hello-bot since Mon 10:00 until Mon 14:00 UTC: the fair (embargoes[1])." in refused
        )
        assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy web-shop")
        bench.clock.pass_time(2 * 3600)
        assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy hello-bot")


async def test_an_embargo_speaks_in_its_own_zone(tmp_path: Path) -> None:
    """The hours of an embargo are those of its zone, whatever the zone of the configuration."""
    embargo = [{"hours": "mon 21:00-22:00", "timezone": "Asia/Tokyo"}]
    async with Bench.open(tmp_path, embargoes=embargo, timezone="Europe/Berlin") as bench:
        assert "until Mon 22:00 Asia/Tokyo" in await bench.say("deployer", "!deploy hello-bot")


async def test_one_open_window_is_enough_and_an_embargo_goes_before_it(tmp_path: Path) -> None:
    """Windows add up; what an embargo says counts whatever is open."""
    open_now = [*NIGHT, {"hours": "mon-sun 11:00-13:00", "hosts": ["ops-jrz1"]}]
    async with Bench.open(tmp_path, deploy_windows=open_now, embargoes=EMBARGO) as bench:
        assert "There is an embargo on hello-bot" in await bench.say("deployer", "!deploy hello-bot")
        assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy web-shop")


async def test_going_back_is_possible_at_night(tmp_path: Path) -> None:
    """Neither window nor embargo keeps anybody from going back, by generation or by project."""
    async with Bench.open(tmp_path, deploy_windows=NIGHT, embargoes=EMBARGO) as bench:
        await bench.say("admin", "!deploy hello-bot --force")
        await bench.say("admin", "!deploy hello-bot v2 --force")

        assert "runs on `ops-jrz1`: generation 34" in await bench.say("deployer", "!rollback hello-bot")
        assert "Generation 31 runs on `ops-jrz1` again" in await bench.say("deployer", "!rollback 31")


async def test_an_admin_deploys_at_night_by_force(tmp_path: Path) -> None:
    """`--force` goes past a window, and the report and the record say so."""
    async with Bench.open(tmp_path, deploy_windows=NIGHT) as bench:
        answer = await bench.say("admin", "!deploy hello-bot --force")

        assert "Forced past: it is outside of the deploy window of hello-bot" in answer
        assert "runs on `ops-jrz1`: generation 32" in answer
        assert "deploy window" in (await bench.site.audit.after(0))[-1].more["overridden"][0]


async def test_a_window_that_closes_while_somebody_is_asked_counts(tmp_path: Path) -> None:
    """It is looked at in the job: what was approved after the window closed is not activated."""
    people = {name: {"level": "deployer", "accounts": [f"@{name}:example.org"]} for name in ("deployer", "second")}
    window = [{"hours": "mon 11:00-12:30"}]
    async with Bench.open(tmp_path, people=people, deploy_windows=window, approvals={"deploy": "deployer"}) as bench:
        await bench.say("deployer", "!deploy hello-bot")
        bench.clock.pass_time(1800)

        told = await bench.say("second", "!approve 1")

        assert "was not activated: It is outside of the deploy window of hello-bot" in told
        assert bench.host.activations == []


async def test_a_window_that_closes_while_it_is_built_counts(tmp_path: Path) -> None:
    """A build that took too long for its window is not activated."""
    async with Bench.open(tmp_path, deploy_windows=[{"hours": "mon 11:00-12:30"}]) as bench:
        bench.host.on_prepare = lambda: bench.clock.pass_time(1800)

        assert "was not activated: It is outside" in await bench.say("deployer", "!deploy hello-bot")
        assert bench.host.activations == []


async def test_the_platform_counts_with_what_it_moves(tmp_path: Path) -> None:
    """A deploy of the platform that moves a project is kept back by that project's embargo."""
    async with Bench.open(tmp_path, embargoes=EMBARGO) as bench:
        bench.host.platform_moves = ("hello-bot",)

        assert "There is an embargo on hello-bot" in await bench.say("admin", "!deploy platform")
        assert bench.host.activations == []
        bench.host.platform_moves = ()
        assert "runs on `ops-jrz1`" in await bench.say("admin", "!deploy platform v2")


async def test_where_can_i_deploy_tells_the_time(tmp_path: Path) -> None:
    """`!locks` names the embargoes that hold and the windows that are closed, and what is left."""
    async with Bench.open(tmp_path, embargoes=EMBARGO) as bench:
        told = await bench.say("deployer", "!locks")

        assert "there is an embargo on hello-bot since Mon 10:00 until Mon 14:00 UTC: the fair" in told
        assert told.endswith("You can deploy: web-shop.")


@pytest.mark.parametrize(
    ("hours", "moment", "since", "until"),
    [
        ("mon-fri 08:00-18:00", "2026-01-05T12:00", "2026-01-05T08:00", "2026-01-05T18:00"),
        ("mon-fri 08:00-18:00", "2026-01-10T12:00", "2026-01-09T18:00", "2026-01-12T08:00"),
        ("fri 15:00-24:00, sat-sun 00:00-24:00", "2026-01-10T12:00", "2026-01-09T15:00", "2026-01-12T00:00"),
        ("sun 02:00-03:00", "2026-03-28T12:00", "2026-03-22T03:00", "2026-04-05T02:00"),
        ("mon-sun 00:00-24:00", "2026-01-10T12:00", None, None),
    ],
)
def test_hours_know_their_ends(hours: str, moment: str, since: str | None, until: str | None) -> None:
    """Since when and until when something is so is told over midnight, over weekends and over the change of clocks."""
    zone = ZoneInfo("Europe/Berlin")

    def there(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)

    now = there(moment)
    assert now is not None
    assert (Hours.parse(hours).since(now, zone), Hours.parse(hours).until(now, zone)) == (there(since), there(until))
