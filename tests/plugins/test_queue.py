import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.testing import Bench
from opsbot.testing.host import commit_of

TEAM = {
    name: {"level": level, "accounts": [f"@{name}:example.org"]}
    for name, level in (("admin", "admin"), ("deployer", "deployer"), ("second", "deployer"), ("member", "member"))
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bot whose host is at work on #1, a deploy of web-shop."""
    async with Bench.open(tmp_path, people=TEAM) as opened:
        opened.host.at_work = True
        await opened.say("deployer", "!deploy web-shop")
        opened.clock.pass_time(300)
        yield opened
        opened.host.at_work = False
        await opened.settle()


async def finish(bench: Bench) -> str:
    """Let the host come to its ends; return all that stands in the room."""
    bench.host.at_work = False
    await bench.settle()
    return "\n".join(bench.room.values())


def prepared(bench: Bench) -> list[str]:
    """Return what was built, in its order."""
    return [f"{given['project']} {given['revision']}" for verb, given in bench.host.asked if verb == "prepare"]


async def test_a_busy_host_refuses_a_second_deploy(bench: Bench) -> None:
    """It is said who is at work, with what, since when and how far, and how to wait; nothing is built for nothing."""
    answer = await bench.say("second", "!deploy hello-bot")

    assert (
        "hello-bot main was not deployed: `ops-jrz1` is busy with #1 deploy web-shop main on `ops-jrz1`, for deployer, "
        "since 12:00 (5 minutes ago), at the stage prepare. `!deploy hello-bot main --wait` waits for its turn. "
        "Nothing was built, and nothing was activated. (#2, second)"
    ) in answer
    assert prepared(bench) == ["web-shop main"]
    assert "web-shop" in await finish(bench)


async def test_who_waits_sees_their_place_and_has_their_turn(bench: Bench) -> None:
    """With `--wait` a deploy waits in line, shows its place, builds nothing meanwhile, and then goes on by itself."""
    second = await bench.say("second", "!deploy hello-bot --wait")
    third = await bench.say("admin", "!deploy platform --wait")

    assert "1st in line behind #1" in second
    assert "2nd in line behind #1 and #2" in third
    assert prepared(bench) == ["web-shop main"]

    await finish(bench)

    assert prepared(bench) == ["web-shop main", "hello-bot main", "platform main"]
    assert bench.host.running["generation"] == 34


async def test_a_wait_outlives_a_crash(bench: Bench) -> None:
    """A bot that dies while something waits in line goes on with the line, and does everything once."""
    bench.engine.crash_at = {"in begin", "after begin", "in turn"}
    await bench.say("second", "!deploy hello-bot --wait")

    told = await finish(bench)

    assert bench.engine.crash_at == set()
    assert told.count("(#2, second)") == 1
    assert prepared(bench) == ["web-shop main", "hello-bot main"]


async def test_its_owner_or_an_admin_takes_it_out_of_the_line(bench: Bench) -> None:
    """What waits is cancelled by who asked for it or by an admin, and by nobody else."""
    await bench.say("second", "!deploy hello-bot --wait")

    assert "they or an admin may cancel it" in await bench.say("deployer", "!cancel 2")
    told = await bench.say("second", "!cancel 2")
    assert "I take #2 out of the line; its report tells the end." in told
    assert "✋ hello-bot main was not deployed: second cancelled it. Nothing was built" in told
    assert prepared(bench) == ["web-shop main"]
    await bench.say("second", "!deploy hello-bot --wait")
    assert "admin cancelled it." in await bench.say("admin", "!cancel 3")


async def test_a_newer_one_takes_the_place_of_an_older_one(bench: Bench) -> None:
    """A newer revision of the same project replaces the one that waits; both reports say so."""
    await bench.say("second", "!deploy hello-bot v1 --wait")

    told = await bench.say("admin", "!deploy hello-bot v2 --wait")

    assert (
        "✋ hello-bot v1 was not deployed: #3 deploy hello-bot v2 --wait on `ops-jrz1`, for admin, takes its place. "
        "Nothing was built, and nothing was activated. (#2, second)"
    ) in told
    assert "1st in line behind #1, in place of #2" in told
    await finish(bench)
    assert prepared(bench) == ["web-shop main", "hello-bot v2"]


async def test_what_does_not_wait_replaces_nothing(bench: Bench) -> None:
    """A deploy that is refused since the host is busy leaves the line as it was."""
    await bench.say("second", "!deploy hello-bot v1 --wait")
    assert "busy with #1" in await bench.say("admin", "!deploy hello-bot v2")
    await finish(bench)
    assert prepared(bench) == ["web-shop main", "hello-bot v1"]


async def test_a_rollback_goes_ahead_of_what_waits(bench: Bench) -> None:
    """Going back waits for nobody in line; what waited goes on afterwards, on what then runs."""
    await finish(bench)
    bench.host.at_work = True
    await bench.say("deployer", "!deploy web-shop v2")
    await bench.say("second", "!deploy hello-bot --wait")

    told = await bench.say("deployer", "!rollback")

    assert "Generation 31 runs on `ops-jrz1` again" in told
    assert prepared(bench)[1:] == ["web-shop v2"]
    await finish(bench)
    assert prepared(bench)[-1] == "hello-bot main"


async def test_a_projects_rollback_ends_its_waiting_deploys(bench: Bench) -> None:
    """What waits to be deployed does not come after a rollback of the same project: that would undo it."""
    await finish(bench)
    await bench.say("deployer", "!deploy hello-bot v1")
    bench.host.at_work = True
    await bench.say("deployer", "!deploy web-shop v2")
    await bench.say("second", "!deploy hello-bot v2 --wait")

    told = await bench.say("deployer", "!rollback hello-bot")

    assert "hello-bot v2 was not deployed: #5 rollback hello-bot on `ops-jrz1`, for deployer, takes its place." in told


async def test_a_deploy_from_before_a_hold_does_not_lift_it(bench: Bench) -> None:
    """A hold ends with a deploy on purpose; one that was asked for before the rollback is none, at work or in line."""
    await finish(bench)
    bench.host.at_work = True
    await bench.say("deployer", "!deploy web-shop v2")
    await bench.say("second", "!deploy web-shop v3 --wait")
    bench.clock.pass_time(60)
    await bench.say("admin", "!rollback --reason it loses orders")

    told = await finish(bench)

    why = "there is a hold on web-shop since you asked: it loses orders. Deploy it again if you still want it."
    assert f"{commit_of('web-shop v2')[:7]} was not activated: {why}" in told
    assert f"web-shop v3 was not deployed: {why} Nothing was built" in told
    assert "web-shop v3" not in prepared(bench)
    assert bench.host.running["pins"]["web-shop"] == commit_of("web-shop 1")
    assert [one.project for one in await bench.site.ledger.holds()] == ["web-shop"]


async def test_a_hold_that_a_wrong_clock_has_put_ends_with_the_next_deploy(bench: Bench) -> None:
    """Which was first, hold or deploy, is known by the order of the jobs: the clock may have been an hour ahead."""
    await finish(bench)
    await bench.say("deployer", "!deploy web-shop v2")
    bench.clock.pass_time(3600)
    await bench.say("admin", "!rollback --reason it loses orders")
    bench.clock.pass_time(-3600)

    assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy web-shop v3")
    assert await bench.site.ledger.holds() == []


async def test_what_waits_for_a_word_keeps_nobody_waiting(tmp_path: Path) -> None:
    """While somebody's word is asked for, the host is free for others."""
    projects = {name: {"host": "ops-jrz1", "services": [name]} for name in ("hello-bot", "web-shop")}
    projects["hello-bot"]["approval"] = "deployer"
    async with Bench.open(tmp_path, people=TEAM, projects=projects) as bench:
        await bench.say("deployer", "!deploy hello-bot")

        assert "runs on `ops-jrz1`: generation 32" in await bench.say("deployer", "!deploy web-shop")
        # Its base has moved, so it is asked for anew.
        assert "waits for somebody's word." in await bench.say("second", "!approve 1")
        assert "runs on `ops-jrz1`: generation 33" in await bench.say("second", "!approve 1")


async def test_a_dry_run_waits_for_nobody(bench: Bench) -> None:
    """A dry run changes nothing: a busy host is no reason against it, and nobody waits for it."""
    bench.host.at_work = False
    told = await asyncio.gather(
        bench.say("second", "!deploy hello-bot --dry-run"), bench.say("deployer", "!deploy hello-bot --wait")
    )

    assert "would go to `ops-jrz1`. Nothing was activated." in "\n".join(told)


async def test_the_line_is_shown(bench: Bench) -> None:
    """`!locks` shows who is at work on a host, and who waits behind."""
    await bench.say("second", "!deploy hello-bot --wait")

    told = await bench.say("member", "!locks")

    assert "`ops-jrz1`: busy with #1 deploy web-shop main on `ops-jrz1`, for deployer: prepare, 5 minutes ago" in told
    assert "then #2 deploy hello-bot main --wait on `ops-jrz1`, for second, behind 1" in told
    assert (await bench.say("second", "!locks")).endswith(
        "You can deploy: hello-bot with --wait, web-shop with --wait."
    )


async def test_a_lock_that_is_put_while_one_waits_ends_the_wait(bench: Bench) -> None:
    """What is locked meanwhile is not built when its turn comes."""
    await bench.say("second", "!deploy hello-bot --wait")
    await bench.say("deployer", "!lock hello-bot careful")

    told = await finish(bench)

    assert "hello-bot main was not deployed: `hello-bot` is locked by deployer" in told
    assert prepared(bench) == ["web-shop main"]


async def test_waiting_adds_no_step(bench: Bench) -> None:
    """A job has the steps that every version knows, whether it waited in line or not."""
    await bench.say("second", "!deploy hello-bot --wait")
    await finish(bench)

    steps = [place.removeprefix("in ") for place in bench.engine.reached if place.startswith("in ")]
    usual = ["begin", "prepare", "plan", "agree", "turn", "look", "activate", "prove", "publish", "unhold", "end"]
    assert sorted(steps) == sorted(usual * 2)
