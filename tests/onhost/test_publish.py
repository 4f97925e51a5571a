import pytest

from opsbot.standin.machine import Machine
from tests.onhost.bench import Bench

PLACES = ("main", "deployed/ops-jrz1")


async def _deploy_unpublished(bench: Bench, job: str, **more: str) -> str:
    """Deploy, publish nothing, and return the commit that runs."""
    await bench.waiting(job, **more)
    await bench.ask("confirm", job=job)
    return str((await bench.until(job, "activate", "committed"))["commit"])


async def _publish(bench: Bench, job: str) -> tuple[str, str]:
    await bench.ask("publish", job=job)
    done = await bench.until(job, "publish", "published", "failed")
    return done["deployed"], done["main"]


@pytest.fixture
async def late(bench: Bench) -> str:
    """A job of hello-bot that was not published before web-shop was deployed and published; its commit."""
    commit = await _deploy_unpublished(bench, "job1")
    bench.machine.repositories.projects["web-shop"].commit("Sell more", {"README.md": "x"})
    await bench.deploy("job2", project="web-shop")
    return commit


async def test_what_is_published_late_leaves_the_branch_of_what_runs(machine: Machine, bench: Bench, late: str) -> None:
    """Published after another deploy, a job puts its pin onto main and leaves the host's branch at what runs."""
    platform = machine.repositories.platform
    runs = platform.head("deployed/ops-jrz1")
    assert runs != late
    assert await _publish(bench, "job1") == ("newer", "pushed")
    assert platform.head("deployed/ops-jrz1") == runs
    assert platform.log()[0].startswith("hello-bot: ")


async def test_main_does_not_go_back_to_a_pin_that_was_moved_since(machine: Machine, bench: Bench, late: str) -> None:
    """When the project itself was deployed anew since, an older job has nothing left to publish."""
    del late
    machine.repositories.projects["hello-bot"].commit("Greet better still", {"README.md": "x"})
    await bench.deploy("job3")
    heads = [machine.repositories.platform.head(place) for place in PLACES]
    assert await _publish(bench, "job1") == ("newer", "untouched")
    assert [machine.repositories.platform.head(place) for place in PLACES] == heads
