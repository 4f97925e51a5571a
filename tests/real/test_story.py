import json
import os
from pathlib import Path

import pytest

from opsbot.demo.conversation import Conversation
from opsbot.demo.script import shown
from opsbot.demo.stage import Stage
from tests.onhost.nix_platform import NixMachine, project_files
from tests.real.conftest import OpenStage

pytestmark = pytest.mark.real

WITHIN = 120.0


async def say(stage: Stage, name: str, words: str) -> str:
    """Say something as a person of the team; return what was answered to the end."""
    exchange = await Conversation(stage).ask(name, words, within=WITHIN, show=lambda _: None)
    assert exchange.ended, f"{words} came to no end:\n{shown(exchange)}\n{stage.log.read_text()[-4000:]}"
    return shown(exchange)


def default(machine: NixMachine) -> Path:
    """Return the system that the profile names."""
    return Path(os.path.realpath(machine.layout.profile))


def pins(system: Path) -> dict[str, str]:
    """Return each project's commit in a system."""
    found: dict[str, str] = json.loads((system / "etc/opsbot/pins.json").read_text())
    return found


def moved(machine: NixMachine, old: str, new: str) -> set[str]:
    """Return the nodes of flake.lock that differ between two commits of the platform."""
    before, after = machine.lock(old)["nodes"], machine.lock(new)["nodes"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


async def test_the_whole_story_on_real_parts(machine: NixMachine, open_stage: OpenStage) -> None:
    """By one typed command a commit becomes a generation of what runs; by another one it is undone and stays undone."""
    platform, hello = machine.repositories.platform, machine.repositories.projects["hello-bot"]
    shop = machine.repositories.projects["web-shop"]
    first, base = machine.running(), platform.head()
    machine.change_platform("A change that nobody has deployed yet")
    wanted = hello.commit("Release 1.1", project_files("hello-bot", "1.1"))

    async with open_stage() as stage:
        assert "Hello, world!" in await say(stage, "member", "!hello")
        assert "hello-bot" in await say(stage, "member", "!status")

        told = await say(stage, "deployer", "!deploy hello-bot --reason because")
        second, deployed = machine.running(), platform.head("deployed/ops-jrz1")
        assert f"hello-bot {wanted[:7]} runs on `ops-jrz1`: generation 2" in told
        assert pins(second)["hello-bot"] == wanted
        assert default(machine) == second != first
        assert moved(machine, base, deployed) == {"hello-bot"}
        # What waits on main was not deployed, and main has the pin on top of it.
        assert (second / "etc/motd").read_text() == (first / "etc/motd").read_text()
        assert platform.log()[1] == "A change that nobody has deployed yet"
        assert moved(machine, "main~1", "main") == {"hello-bot"}
        assert machine.lock("main")["nodes"]["hello-bot"] == machine.lock(deployed)["nodes"]["hello-bot"]  # type: ignore[index]

        assert "is what runs on `ops-jrz1` already" in await say(stage, "deployer", "!deploy hello-bot")
        assert "→ 2" in await say(stage, "member", "!generations")

        told = await say(stage, "deployer", "!rollback --reason too-loud")
        assert "Generation 1 runs on `ops-jrz1` again; held until deployed on purpose: hello-bot." in told
        assert machine.running() == default(machine) == first
        assert platform.head("deployed/ops-jrz1") == base

        newest = shop.commit("Release 1.1", project_files("web-shop", "1.1"))
        await say(stage, "deployer", "!deploy web-shop")
        assert pins(machine.running()) == {"hello-bot": pins(first)["hello-bot"], "web-shop": newest}


async def test_a_bad_deploy_undoes_itself(machine: NixMachine, open_stage: OpenStage) -> None:
    """A service that fails undoes its deploy; its last lines are told, and nothing is published."""
    first, head = machine.running(), machine.repositories.platform.head()
    machine.repositories.projects["hello-bot"].commit("Break", project_files("hello-bot", "1.2", "crashes"))

    async with open_stage() as stage:
        told = await say(stage, "deployer", "!deploy hello-bot")

    assert "was undone: " in told
    assert "the token is missing" in told
    assert machine.running() == default(machine) == first
    assert machine.repositories.platform.head() == head


async def test_a_build_that_fails_names_what_failed(machine: NixMachine, open_stage: OpenStage) -> None:
    """A failing build shows the failing derivation and its last 20 lines, and activates nothing."""
    machine.repositories.projects["hello-bot"].commit("Break", project_files("hello-bot", "1.2", "does-not-build"))
    first = machine.running()

    async with open_stage() as stage:
        told = await say(stage, "deployer", "!deploy hello-bot")

    assert "hello-bot-1.2` failed. Nothing was activated." in told
    assert "main.c:7: it is not C" in told
    assert machine.running() == first
