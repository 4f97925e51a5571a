from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.testing import Bench
from opsbot.testing.configuration import configuration

TEAM = {
    name: {"level": level, "accounts": [f"@{name}:example.org"], **more}
    for name, level, more in (
        ("admin", "admin", {}),
        ("chief", "admin", {}),
        ("deployer", "deployer", {}),
        ("second", "deployer", {}),
        ("narrow", "deployer", {"projects": ["web-shop"]}),
        ("contributor", "contributor", {}),
        ("member", "member", {}),
    )
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bot with two deployers for everything, and one for a single project."""
    async with Bench.open(tmp_path, people=TEAM) as opened:
        yield opened


async def test_a_lock_keeps_everybody_else_away(bench: Bench) -> None:
    """A locked project is deployed by its owner alone; others read who, since when, why, and what to do."""
    told = await bench.say("deployer", "!lock hello-bot we migrate the database")
    assert told == "`hello-bot` is locked by you: we migrate the database. `!unlock hello-bot` ends that."
    bench.clock.pass_time(600)

    refused = await bench.say("second", "!deploy hello-bot")

    assert (
        "hello-bot main was not deployed: `hello-bot` is locked by deployer since 12:00 (10 minutes ago): we migrate "
        "the database. deployer may `!unlock hello-bot`. An admin may go past that with `--force`. Nothing was built"
    ) in refused
    assert bench.host.asked == []
    assert "runs on `ops-jrz1`" in await bench.say("second", "!deploy web-shop")
    assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy hello-bot")


async def test_a_host_is_locked_as_a_whole(bench: Bench) -> None:
    """A lock on a host is in the way of everything there; without a name it is the default host."""
    assert "`ops-jrz1` is locked by you: disk swap." in await bench.say("deployer", "!lock disk swap")

    for words in ("hello-bot", "web-shop", "platform"):
        assert "`ops-jrz1` is locked by deployer" in await bench.say("admin", f"!deploy {words}")
    assert bench.host.activations == []


async def test_the_platform_of_no_host_is_not_locked(tmp_path: Path) -> None:
    """Where no host is the default, nobody can lock the platform or deploy it, and nobody is told otherwise."""
    host = configuration().hosts["ops-jrz1"].model_dump()
    async with Bench.open(tmp_path, people=TEAM, hosts={"ops-jrz1": host, "ops-jrz2": host}) as bench:
        assert "none is marked as the default" in await bench.say("admin", "!lock platform careful")
        assert "You can deploy: hello-bot, web-shop." in await bench.say("admin", "!locks")
        assert await bench.site.ledger.locks() == []


async def test_a_word_that_is_nearly_a_name_is_no_reason(bench: Bench) -> None:
    """A misspelt place is asked about: it must not become the reason of another place's lock."""
    said = await bench.say("deployer", "!lock helo-bot we migrate")

    assert "There is no project or host `helo-bot`. Did you mean `hello-bot`?" in said
    assert await bench.site.ledger.locks() == []


async def test_a_lock_needs_a_reason(bench: Bench) -> None:
    """Others are told why, so a lock without a reason is none."""
    assert "Say why: `!lock hello-bot REASON`." in await bench.say("deployer", "!lock hello-bot")
    assert "Say why: `!lock ops-jrz1 REASON`." in await bench.say("deployer", "!lock")
    assert await bench.site.ledger.locks() == []


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("contributor", "hello-bot mine"),
        ("narrow", "hello-bot mine"),
        ("narrow", "ops-jrz1 mine"),
        ("narrow", "just mine"),
        ("deployer", "platform mine"),
    ],
)
async def test_who_may_not_deploy_it_may_not_lock_it(bench: Bench, who: str, words: str) -> None:
    """A lock needs the rights on all that it keeps from others."""
    assert (await bench.say(who, f"!lock {words}")).startswith("No: ")
    assert await bench.site.ledger.locks() == []


async def test_a_lock_of_another_one_stands(bench: Bench) -> None:
    """Who comes second reads whose lock it is; who locks again changes the reason of their own."""
    await bench.say("deployer", "!lock hello-bot first")

    assert "`hello-bot` is locked by deployer since 12:00: first. Ask them;" in await bench.say(
        "second", "!lock hello-bot mine"
    )
    await bench.say("deployer", "!lock hello-bot second thoughts")
    assert [one.reason for one in await bench.site.ledger.locks()] == ["second thoughts"]


async def test_its_owner_takes_it_away(bench: Bench) -> None:
    """`!unlock` ends one's own lock; alone it means the only one that one has."""
    await bench.say("deployer", "!lock hello-bot mine")
    assert await bench.say("deployer", "!unlock") == "`hello-bot` is free of your lock (mine)."
    assert "You have locked nothing." in await bench.say("deployer", "!unlock")
    assert "There is no lock on `hello-bot`. Nothing is locked." in await bench.say("deployer", "!unlock hello-bot")
    await bench.say("deployer", "!lock hello-bot mine")
    await bench.say("deployer", "!lock web-shop mine too")
    assert "You have locked `hello-bot`, `web-shop`." in await bench.say("deployer", "!unlock")
    assert len(await bench.site.ledger.locks()) == 2


async def test_an_admin_takes_anothers_away_with_a_reason(bench: Bench) -> None:
    """Nobody but an admin unlocks for others, and then says why, which is on record."""
    await bench.say("deployer", "!lock hello-bot on holiday")

    assert "No: `hello-bot` is locked by deployer" in await bench.say("second", "!unlock hello-bot please")
    assert "It is not yours, so say why: `!unlock hello-bot REASON`." in await bench.say("admin", "!unlock hello-bot")
    told = await bench.say("admin", "!unlock hello-bot eve is on a plane")

    assert told == "`hello-bot` is free of the lock of deployer (on holiday): eve is on a plane"
    last = (await bench.site.audit.after(0))[-1]
    assert (last.person, last.what) == ("admin", "unlock hello-bot eve is on a plane")


async def test_an_unlock_never_takes_a_newer_lock_away(bench: Bench) -> None:
    """Between the look and the deed somebody else may have locked it: that lock stays."""
    await bench.say("deployer", "!lock hello-bot mine")
    (seen,) = await bench.site.ledger.locks()
    await bench.say("deployer", "!unlock")
    await bench.say("second", "!lock hello-bot now it is mine")

    assert not await bench.site.ledger.take_away(seen)
    assert [one.by for one in await bench.site.ledger.locks()] == ["second"]


async def test_a_lock_is_looked_at_again_before_activation(bench: Bench) -> None:
    """What is locked while it is built is not activated; who locks it reads that something is at work."""
    bench.host.at_work = True
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("second", "!lock hello-bot stop")
    bench.host.at_work = False
    await bench.settle()

    assert "was not activated: `hello-bot` is locked by second" in "\n".join(bench.room.values())
    assert bench.host.activations == []


async def test_an_admin_goes_past_a_lock(bench: Bench) -> None:
    """`--force` goes past somebody's lock, by admins alone; the report and the record say past what."""
    await bench.say("second", "!lock hello-bot careful")

    assert "--force needs the level admin" in await bench.say("deployer", "!deploy hello-bot --force")
    answer = await bench.say("admin", "!deploy hello-bot --force")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert "Forced past: `hello-bot` is locked by second since 12:00 (just now): careful." in answer
    end = (await bench.site.audit.after(0))[-1]
    assert "careful" in end.more["overridden"][0]
    assert [one.by for one in await bench.site.ledger.locks()] == ["second"]


async def test_going_back_stops_at_somebodys_lock(bench: Bench) -> None:
    """A rollback is kept away by another one's lock, in a clear sentence, and not of an admin who says so."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("second", "!lock ops-jrz1 careful")

    by_generation = await bench.say("deployer", "!rollback")
    by_project = await bench.say("deployer", "!rollback hello-bot")

    assert "The rollback was not activated: `ops-jrz1` is locked by second" in by_generation
    assert "hello-bot was not deployed: `ops-jrz1` is locked by second" in by_project
    assert "An admin may go past that with `--force`." in by_generation
    assert bench.host.running["generation"] == 32
    assert "Generation 31 runs on `ops-jrz1` again" in await bench.say("admin", "!rollback --force")


async def test_going_back_stops_at_the_lock_of_a_project_that_moves(bench: Bench) -> None:
    """A generation that would move a locked project is not gone to."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("second", "!lock hello-bot careful")

    assert "Generation 31 was not activated: `hello-bot` is locked by second" in (
        await bench.say("deployer", "!rollback")
    )


async def test_the_platform_does_not_move_what_is_locked(bench: Bench) -> None:
    """A deploy of the platform that would move a locked project is refused before the build."""
    await bench.say("second", "!lock hello-bot careful")
    bench.host.platform_moves = ("hello-bot",)

    answer = await bench.say("admin", "!deploy platform")

    assert "platform main was not built: `hello-bot` is locked by second since 12:00 (just now): careful." in answer
    assert [verb for verb, _ in bench.host.asked if verb == "plan"] == []


async def test_what_changes_the_platform_stops_at_its_lock(bench: Bench) -> None:
    """A deploy of a project that changes more than its own units stops at the lock of the platform."""
    await bench.say("chief", "!lock platform moving the database")
    bench.host.plan["foreign"] = ["nginx.service"]
    said = await bench.say("admin", "!deploy hello-bot")
    assert "was not activated: `platform` is locked by chief since 12:00 (just now): moving the database." in said
    assert bench.host.activations == []

    bench.host.plan["foreign"] = []
    assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy hello-bot")


async def test_a_dry_run_shows_the_plan_and_the_lock(bench: Bench) -> None:
    """A dry run moves nothing, so no lock stops it; it says that the deploy would be stopped."""
    await bench.say("second", "!lock hello-bot careful")

    answer = await bench.say("deployer", "!deploy hello-bot --dry-run")

    assert "Nothing was activated. But not for deployer: `hello-bot` is locked by second" in answer


async def test_a_lock_outlives_a_restart_and_a_job_does_not_take_it(bench: Bench, tmp_path: Path) -> None:
    """People's locks are not those of jobs: they outlive jobs, their ends and the process."""
    await bench.say("deployer", "!lock hello-bot mine")
    await bench.say("deployer", "!deploy hello-bot")
    assert await bench.site.ledger.lock_holder("ops-jrz1") is None

    async with Bench.open(tmp_path, people=TEAM) as again:
        assert [one.by for one in await again.site.ledger.locks()] == ["deployer"]
        assert "is locked by deployer" in await again.say("second", "!deploy hello-bot")


async def test_where_can_i_deploy(bench: Bench) -> None:
    """`!locks` lists what is at work, locks and holds, and what who asks can deploy at once."""
    await bench.say("second", "!lock hello-bot careful")

    told = await bench.say("deployer", "!locks")

    assert "`ops-jrz1`: free\n`hello-bot` is locked by second since 12:00: careful.\nThere is no hold." in told
    assert told.endswith("You can deploy: web-shop.")
    assert (await bench.say("narrow", "!locks")).endswith("You can deploy: web-shop.")
    assert (await bench.say("second", "!locks")).endswith("You can deploy: hello-bot, web-shop.")
    assert (await bench.say("admin", "!wcid")).endswith("You can deploy: web-shop, platform.")


@pytest.mark.parametrize("reason", ["<b>x</b> `y`", "x" * 500, "@room come\nhere"])
async def test_a_reason_is_somebody_elses_words(bench: Bench, reason: str) -> None:
    """A reason is one line, cut, and no markup."""
    await bench.say("deployer", f"!lock hello-bot '{reason}'")
    (lock,) = await bench.site.ledger.locks()
    assert len(lock.reason) <= 200
    assert "\n" not in lock.reason
    assert "is locked by deployer since 12:00" in await bench.say("second", "!deploy hello-bot")
