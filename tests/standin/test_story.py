import asyncio
import os
import signal
from typing import Any

import pytest

from opsbot.errors import HostError
from opsbot.ssh import Address, SshHost
from opsbot.standin.machine import Machine

pytestmark = pytest.mark.asyncio(loop_scope="module")
_ENDED = ("committed", "reverted", "rebooted", "refused", "stuck")


def bot(machine: Machine) -> SshHost:
    """Return the machine as the bot sees it."""
    key = machine.client_key.read_text()
    return SshHost(machine.host, Address(address="127.0.0.1", port=machine.port, key=key, host_key=machine.host_key))


async def until(host: SshHost, job: str, part: str, *statuses: str) -> Any:
    """Ask for the state of a job until a part of it has one of the statuses."""
    async with asyncio.timeout(60):
        while True:
            found = (await host.ask("state", {"job": job}))[part]
            if found is not None and found["status"] in statuses:
                return found
            await asyncio.sleep(0.1)


async def prepare(host: SshHost, job: str, revision: str) -> Any:
    """Build hello-bot."""
    await host.ask("prepare", {"job": job, "project": "hello-bot", "revision": revision, "note": "A test"})
    return await until(host, job, "prepare", "built", "unchanged", "failed")


async def activate(host: SshHost, job: str, revision: str) -> Any:
    """Build hello-bot and bring it into force, up to the waiting."""
    built = await prepare(host, job, revision)
    await host.ask("activate", {"job": job, "base": built["base"], "window": 60})
    return await until(host, job, "activate", "waiting", *_ENDED)


async def test_a_commit_becomes_a_generation_and_is_published(machine: Machine) -> None:
    """Over SSH: built, tried, confirmed, published; a commit that waits on main is not deployed by it."""
    host, team = bot(machine), machine.repositories
    assert (await activate(host, "jstory1", "main"))["status"] == "waiting"
    plan = await host.ask("plan", {"job": "jstory1"})
    assert (plan["closure"], plan["own"], plan["foreign"]) == (["hello-bot: 1.0 → 1.1"], ["hello-bot.service"], [])
    await host.ask("confirm", {"job": "jstory1"})
    assert (await until(host, "jstory1", "activate", *_ENDED))["generation"] == 32
    await host.ask("publish", {"job": "jstory1"})
    published = await until(host, "jstory1", "publish", "published", "failed")
    assert (published["deployed"], published["main"]) == ("pushed", "pushed")
    assert "Forgejo 7.0.13" in team.platform.log("main")
    assert "Forgejo 7.0.13" not in team.platform.log(f"deployed/{machine.host}")
    facts = await host.ask("facts", {"units": ["hello-bot.service"]})
    assert facts["pins"]["hello-bot"] == team.projects["hello-bot"].head()
    assert facts["profile"] == {"generation": 32, "system": facts["running"]}
    await host.close()


async def test_a_broken_one_is_undone(machine: Machine) -> None:
    """A service that crashes brings the host back to what ran, and its last lines are told."""
    host = bot(machine)
    before = machine.running()
    ended = await activate(host, "jstory2", "broken")
    assert ended["status"] == "reverted"
    (failed,) = ended["failed_units"]
    assert failed["unit"] == "hello-bot.service"
    assert any("KeyError: 'HELLO_BOT_TOKEN'" in line for line in failed["lines"])
    assert machine.running() == before
    assert await machine.state("hello-bot.service") == "active"
    await host.close()


async def test_one_that_does_not_build_says_why(machine: Machine) -> None:
    """The derivation that failed and its last lines come over."""
    host = bot(machine)
    failed = await prepare(host, "jstory3", "does-not-build")
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "build"
    assert failed["derivation"] == "hello-bot-1.2"
    assert any("FAILED (failures=1)" in line for line in failed["tail"])
    await host.close()


async def test_the_dead_man_goes_back_when_nobody_is_left(machine: Machine) -> None:
    """The activation's unit killed, the line cut, nobody there: the timer fires and what ran before runs again."""
    host = bot(machine)
    before = machine.running()
    machine.repositories.projects["hello-bot"].commit("Say why", {"README.md": "# why\n"})
    assert (await activate(host, "jstory4", "main"))["status"] == "waiting"
    (shown,) = await machine.ask("show", units=["opsbot-activate@jstory4.service"])
    await machine.cut()
    os.kill(int(shown["MainPID"]), signal.SIGKILL)
    await machine.elapse(3600)
    await machine.heal()
    assert (await until(host, "jstory4", "activate", *_ENDED))["status"] == "reverted"
    assert machine.running() == before
    await host.close()


async def test_a_build_that_takes_its_time_can_be_cancelled(machine: Machine) -> None:
    """A cancelled build leaves no process behind, and no failed unit."""
    host = bot(machine)
    await host.ask("prepare", {"job": "jstory6", "project": "hello-bot", "revision": "slow", "note": ""})
    async with asyncio.timeout(60):
        async for line in host.follow("jstory6", "prepare", 0):
            if "native extensions" in line.get("text", ""):
                break
    await host.ask("cancel", {"job": "jstory6"})
    assert (await until(host, "jstory6", "prepare", "cancelled"))["status"] == "cancelled"
    assert (await host.ask("facts", {"units": []}))["failed_units"] == []
    await host.close()


async def test_a_host_that_is_away_is_no_failure(machine: Machine) -> None:
    """What a cut means to the bot is that nobody knows; afterwards it asks again."""
    host = bot(machine)
    await machine.cut()
    with pytest.raises(Exception, match=r".") as away:
        await host.ask("facts", {"units": []})
    assert not isinstance(away.value, HostError)
    await machine.heal()
    assert (await host.ask("facts", {"units": []}))["host"] == machine.host
    await host.close()
