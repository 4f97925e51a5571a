import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot.console import Console
from opsbot.errors import HostUnreachableError
from opsbot.jobs.runner import give_up
from opsbot.model import Job, Outcome
from opsbot.render.console import acted
from opsbot.store.records import Records
from opsbot.testing import Bench
from opsbot.testing.facts import commit_of
from tests.test_watchdog import job as new_job
from tests.test_watchdog import waiting

HOST = "ops-jrz1"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bot with a host."""
    async with Bench.open(tmp_path) as opened:
        opened.clock.pass_time((datetime.now(UTC) - opened.clock.now()).total_seconds())
        yield opened


def console(bench: Bench) -> Console:
    """Make what looks at consoles, as after a restart."""
    return Console(bench.site, Records(bench.database))


async def told(bench: Bench) -> list[str]:
    """Look twice; return what is told."""
    await waiting(bench)
    for _ in range(2):
        bench.clock.pass_time(60)
        await console(bench).look(HOST)
    return await waiting(bench)


async def deployed(bench: Bench) -> Job:
    """Deploy a project."""
    await bench.say("deployer", "!deploy hello-bot")
    [job, *_] = await bench.site.ledger.jobs()
    return job


async def given_up(bench: Bench) -> Job:
    """Have a job that the bot could not bring to its end."""
    job = await bench.site.inbox.finish("$asked", job=new_job(bench))
    assert job is not None
    await give_up(job, bench.site, "nobody works on it")
    return job


async def test_what_nobody_understands_ends_no_bot(bench: Bench) -> None:
    """A host whose helper answers in another version's way is looked at again, and all others too."""
    bench.host.says["list"] = [{"id": "of another version"}]
    looking = asyncio.create_task(console(bench).run())
    ended, _ = await asyncio.wait({looking}, timeout=0.5)
    looking.cancel()

    assert ("list", {}) in bench.host.asked
    assert not ended


async def test_what_a_person_does_at_the_console_appears_in_the_jobs_room(bench: Bench) -> None:
    """A deploy that somebody took back at the console is told once, with who it was and how it stands."""
    job = await deployed(bench)
    bench.host.at_console(job.id, "revert", "reverted", at=bench.clock.now().timestamp())

    [said] = await told(bench)

    assert said == (
        "🖥️ At the console of `ops-jrz1`, dan asked to go back to what ran before: #1 deploy hello-bot main on "
        "`ops-jrz1`, for deployer. It is reverted there."
    )
    assert await told(bench) == []


async def test_a_later_attempt_is_the_same_job(bench: Bench) -> None:
    """On the host a later attempt has a longer id; the room reads of the job that it knows."""
    job = await deployed(bench)
    bench.host.at_console(f"{job.id}n2", "confirm", "committed", at=bench.clock.now().timestamp())
    [said] = await told(bench)
    assert "dan kept what it had activated: #1 deploy hello-bot main" in said


async def test_a_job_that_nobody_knows_is_told_in_the_first_room(bench: Bench) -> None:
    """What was done to a job that the bot does not know, as after a restoration, is told all the same."""
    bench.host.at_console("jsomebodyelses", "confirm", "committed", at=bench.clock.now().timestamp())
    [said] = await told(bench)
    assert "dan kept what it had activated: `jsomebodyelses`, a job that I do not know." in said


async def test_what_was_told_before_a_restoration_is_not_told_again(bench: Bench) -> None:
    """A restored bot does not tell what happened at a console before that."""
    now = bench.clock.now()
    bench.host.at_console("jsomebodyelses", "confirm", "committed", at=now.timestamp())
    await Console(bench.site, Records(bench.database), since=now).look(HOST)
    assert await waiting(bench) == []


async def test_the_true_end_of_a_job_that_was_given_up_is_told(bench: Bench) -> None:
    """When the host has ended by itself what the bot could not, the room reads how; before that, nothing."""
    job = await given_up(bench)
    bench.host.activated(job.id, "waiting")
    assert await told(bench) == []
    bench.host.activated(job.id, "reverted")
    [said] = await told(bench)
    assert said == (
        "🖥️ #1 deploy hello-bot main on `ops-jrz1`, for deployer: I could not tell its end; on `ops-jrz1` it is "
        "reverted now."
    )


async def test_an_end_of_long_ago_is_not_told(bench: Bench) -> None:
    """A job that was given up more than a week ago is history."""
    job = await given_up(bench)
    bench.host.activated(job.id, "reverted")
    bench.clock.pass_time(8 * 86400)
    assert await told(bench) == []


async def test_a_deploy_of_the_bots_is_no_surprise(bench: Bench) -> None:
    """What the bot itself put in place is not told, nor what ran when it first looked."""
    assert await told(bench) == []
    await deployed(bench)
    assert await told(bench) == []
    await bench.say("deployer", "!rollback")
    assert bench.host.running["generation"] == 31
    assert await told(bench) == []


async def test_a_reboot_into_what_the_bot_had_staged_is_no_surprise(bench: Bench) -> None:
    """What the bot made the default of the next boot runs after a reboot; that is told by its proof, not as news."""
    await told(bench)
    staged = await bench.site.inbox.finish("$asked", job=new_job(bench))
    assert staged is not None
    await bench.site.ledger.end(staged.id, Outcome.STAGED, [], {"generation": 32})
    bench.host.add_generation("staged")
    assert await told(bench) == []


async def test_a_switch_by_hand_is_told_once(bench: Bench) -> None:
    """A generation that somebody switched to by hand is told in the first room, with its commit."""
    await told(bench)
    bench.host.add_generation("by hand")

    [said] = await told(bench)

    assert f"`ops-jrz1` runs generation 32, commit {commit_of('by hand')[:7]}, which is not what I put there" in said
    assert await told(bench) == []
    await deployed(bench)
    assert await told(bench) == []
    bench.host.add_generation("by hand")
    assert len(await told(bench)) == 1


async def test_a_system_without_a_generation_is_told(bench: Bench) -> None:
    """A system that somebody only tries (`nixos-rebuild test`) is no generation, and told as well."""
    await told(bench)
    bench.host.add_generation("tried")
    running = bench.host.generations.pop(0)
    bench.host.trial = running

    [said] = await told(bench)

    assert f"runs a system without a generation, commit {commit_of('tried')[:7]}, which is not what I put there" in said


async def test_while_a_job_is_open_what_runs_is_its_own_affair(bench: Bench) -> None:
    """In the middle of a deploy something new runs before the job has ended: nothing is told of it."""
    await told(bench)
    await bench.site.inbox.finish("$asked", job=new_job(bench))
    bench.host.add_generation("half-way")
    assert await told(bench) == []


async def test_a_host_of_before_tells_nothing_of_its_console(bench: Bench) -> None:
    """A helper that does not note what is done at the console is no problem."""
    job = await deployed(bench)
    bench.host.activated(job.id, "reverted")
    assert await told(bench) == []


async def test_a_host_that_is_away_is_looked_at_later(bench: Bench) -> None:
    """Nothing is remembered of a look that failed."""
    await told(bench)
    bench.host.add_generation("by hand")
    bench.host.away = True
    with pytest.raises(HostUnreachableError):
        await console(bench).look(HOST)
    bench.host.away = False
    assert len(await told(bench)) == 1


def test_a_name_from_a_host_stays_one_line() -> None:
    """Words of a host cannot make a message of their own: they are cut and cleaned."""
    row = {"job": "j", "activate": "committed", "console": {"verb": "x\ny", "by": "a\n" * 99, "at": 0.0}}
    assert "\n" not in acted(HOST, row, None).body
