import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.onhost.bench import ENDED, Bench
from tests.onhost.nix_platform import NixMachine, project_files, why_not

pytestmark = [pytest.mark.real, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[NixMachine]:
    """A host with the real Nix."""
    async with NixMachine(tmp_path / "host") as running:
        yield running


@pytest.fixture
def bench(machine: NixMachine) -> Bench:
    """What a test asks of it."""
    return Bench(machine)


def _moved(old: Any, new: Any) -> set[str]:
    return {
        name for name in old["nodes"].keys() | new["nodes"].keys() if old["nodes"].get(name) != new["nodes"].get(name)
    }


async def test_a_commit_becomes_a_generation_and_is_published(machine: NixMachine, bench: Bench) -> None:
    """A deploy moves exactly one input of what runs, and is published; what waits on main is not deployed by it."""
    hello, platform = machine.repositories.projects["hello-bot"], machine.repositories.platform
    base = platform.head()
    before = (await bench.ask("facts"))["profile"]
    waiting = machine.change_platform("A change that nobody has deployed yet")
    wanted = hello.commit("Release 1.1", project_files("hello-bot", "1.1"))

    state = await bench.deploy("job1", note="because Ana asked")

    built, active, published = state["prepare"], state["activate"], state["publish"]
    assert built["base_commit"] == base
    assert built["pin"] == wanted
    assert _moved(machine.lock(base), machine.lock(active["commit"])) == {"hello-bot"}
    assert active["generation"] == before["generation"] + 1
    assert machine.running() == bench.default() == Path(active["system"])
    assert machine.layout.boot_default.readlink() == machine.running()
    assert (machine.running() / "etc/motd").read_text() == "Welcome\n"
    assert platform.head("deployed/ops-jrz1") == active["commit"]
    assert published["main"] == "pushed"
    assert platform.log()[:2] == [
        f"hello-bot: {built['pin_before'][:7]} -> {wanted[:7]}",
        "A change that nobody has deployed yet",
    ]
    assert _moved(machine.lock(waiting), machine.lock("main")) == {"hello-bot"}
    assert machine.lock("main")["nodes"]["hello-bot"] == machine.lock(active["commit"])["nodes"]["hello-bot"]  # type: ignore[index]
    facts = await bench.ask("facts")
    assert facts["commit"] == active["commit"]
    assert facts["pins"]["hello-bot"] == wanted


async def test_main_that_nobody_changed_takes_the_very_commit(machine: NixMachine, bench: Bench) -> None:
    """When nothing waits on main, the commit that was built is what main becomes."""
    machine.repositories.projects["hello-bot"].commit("Release 1.1", project_files("hello-bot", "1.1"))
    state = await bench.deploy("job1")
    assert machine.repositories.platform.head() == state["activate"]["commit"]


async def test_what_runs_is_not_built_again(bench: Bench) -> None:
    """Deploying what already runs says so and makes nothing."""
    result = await bench.prepare("job1")
    assert result["status"] == "unchanged"
    with_platform = await bench.prepare("job2", "platform")
    assert with_platform["status"] == "unchanged"


async def test_a_failing_build_shows_the_derivation_and_its_last_lines(machine: NixMachine, bench: Bench) -> None:
    """When a build fails, the derivation that failed and its last lines are told, and nothing was touched."""
    broken = project_files("hello-bot", "1.2", "does-not-build")
    machine.repositories.projects["hello-bot"].commit("Shorten", broken, branch="short", onto="main")
    bench.change_project("hello-bot", branches=["main", "short"])
    running = machine.running()
    result = await bench.prepare("job1", revision="short")
    assert result["status"] == "failed"
    assert result["error"]["code"] == "build"
    assert result["derivation"] == "hello-bot-1.2"
    assert any("main.c:7: it is not C" in line for line in result["tail"])
    assert machine.running() == running


async def test_a_flake_that_is_wrong_is_an_error_of_evaluation(machine: NixMachine, bench: Bench) -> None:
    """A mistake in a project's flake is told apart from a failing build."""
    machine.repositories.projects["hello-bot"].commit("Oops", {"flake.nix": "{ outputs = { self }: { }; }"})
    result = await bench.prepare("job1")
    assert (result["status"], result["error"]["code"]) == ("failed", "evaluate")
    assert "package" in result["error"]["message"]


async def test_a_platform_that_does_not_evaluate_changes_nothing(machine: NixMachine, bench: Bench) -> None:
    """A wanted commit of the platform that does not evaluate is told with Nix's error; a project still deploys."""
    before = machine.running()
    machine.repositories.platform.commit("Oops", {"flake.nix": "{ outputs = { self }: { nixosConfigurations = ; }; }"})
    result = await bench.prepare("job1", "platform")
    assert (result["status"], result["error"]["code"]) == ("failed", "evaluate")
    assert result["error"]["message"].startswith("error: ")
    assert "syntax error" in "\n".join(result["tail"])
    assert machine.running() == before == bench.default()
    machine.repositories.projects["hello-bot"].commit("Release 1.1", project_files("hello-bot", "1.1"))
    assert (await bench.prepare("job2"))["status"] == "built"


async def test_an_input_that_the_platform_does_not_have_is_refused(machine: NixMachine, bench: Bench) -> None:
    """Nix would only warn of an input that there is not, and build what runs; the host refuses it by its name."""
    machine.repositories.projects["hello-bot"].commit("Release 1.1", project_files("hello-bot", "1.1"))
    bench.change_project("hello-bot", input="hello-bott")
    result = await bench.prepare("job1")
    assert (result["status"], result["error"]["code"]) == ("failed", "lock")
    assert result["error"]["message"] == (
        "What runs has no input hello-bott. If it is new on the platform: `!deploy platform`."
    )
    assert "system" not in result


async def test_a_service_that_dies_takes_the_deploy_back(machine: NixMachine, bench: Bench) -> None:
    """A deploy whose service dies is undone, with the last lines of that service."""
    crashing = project_files("hello-bot", "1.2", "crashes")
    machine.repositories.projects["hello-bot"].commit("Read the token", crashing)
    before = machine.running()
    active = await bench.waiting("job1")
    assert active["status"] == "reverted"
    assert [unit["unit"] for unit in active["failed_units"]] == ["hello-bot.service"]
    assert "the token is missing" in active["failed_units"][0]["lines"]
    assert machine.running() == before == bench.default()
    assert await machine.state("hello-bot.service") == "active"


async def test_the_dead_man_goes_back_when_everybody_else_is_dead(machine: NixMachine, bench: Bench) -> None:
    """When the process that waits is killed and nobody confirms, the timer takes the host back."""
    machine.repositories.projects["hello-bot"].commit("Release 1.1", project_files("hello-bot", "1.1"))
    before = machine.running()
    active = await bench.waiting("job1")
    assert machine.running() == Path(active["system"]) != before
    os.kill(await bench.pid("opsbot-activate@job1.service"), signal.SIGKILL)
    lost = await bench.until("job1", "activate", "lost")
    assert lost["was"] == "waiting"
    await machine.elapse(3600)
    assert (await bench.until("job1", "activate", *ENDED))["why"] == "Nobody confirmed in time."
    assert machine.running() == before == bench.default()


async def test_a_generation_is_gone_back_to_by_its_number(machine: NixMachine, bench: Bench) -> None:
    """A rollback goes to a recorded generation by its number, and the host's branch follows."""
    first = await bench.ask("facts")
    machine.repositories.projects["hello-bot"].commit("Release 1.1", project_files("hello-bot", "1.1"))
    state = await bench.deploy("job1")
    number = first["profile"]["generation"]
    plan = await bench.ask("plan", generation=number)
    assert plan["units"]["restart"] == ["hello-bot.service"]
    await bench.ask("rollback", job="job2", base=state["running"], generation=number)
    await bench.until("job2", "activate", "waiting")
    await bench.ask("confirm", job="job2")
    await bench.until("job2", "activate", "committed")
    await bench.ask("publish", job="job2")
    await bench.until("job2", "publish", "published")
    rows = {row["generation"]: row for row in await bench.ask("generations")}
    assert rows[number]["current"]
    assert rows[number]["running"]
    assert rows[number]["pins"] == first["pins"]
    assert machine.repositories.platform.head("deployed/ops-jrz1") == first["commit"]
    shop = machine.repositories.projects["web-shop"].commit("Release 2", project_files("web-shop", "2"))
    built = await bench.prepare("job3", "web-shop")
    assert built["pins"] == first["pins"] | {"web-shop": shop}


async def test_the_platform_is_deployed_by_its_commit(machine: NixMachine, bench: Bench) -> None:
    """Deploying the platform brings main's head, and only the host's branch moves."""
    wanted = machine.change_platform("Mind the gap")
    state = await bench.deploy("job1", project="platform")
    assert state["activate"]["commit"] == wanted
    assert state["publish"]["main"] == "untouched"
    assert machine.repositories.platform.head("deployed/ops-jrz1") == wanted
    assert (machine.running() / "etc/motd").read_text() == "Mind the gap\n"
    assert json.loads((bench.state / "jobs/generations.json").read_text())["generations"][-1]["commit"] == wanted
