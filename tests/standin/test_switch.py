import fcntl
from pathlib import Path

import pytest

from opsbot.standin import samples
from opsbot.standin.machine import Machine
from tests.standin.console import Console

pytestmark = pytest.mark.asyncio(loop_scope="module")


def system(machine: Machine, console: Console, version: str, behaviour: str = "well", **changes: object) -> Path:
    """Build a system that has another hello-bot."""
    files = samples.project("hello-bot", version, behaviour=behaviour, tested=False)
    repository = machine.repositories.projects["hello-bot"]
    commit = repository.commit(version, files)
    return machine.build(console.pin("hello-bot", commit, **changes))


async def test_a_test_runs_the_new_system_and_moves_nothing_else(machine: Machine, console: Console) -> None:
    """`test` restarts what differs, and leaves profile and boot loader alone."""
    old, new = machine.running(), system(machine, console, "2.0")
    done = await console.switch(new)
    assert done.code == 0
    assert done.err.splitlines() == [
        "stopping the following units: hello-bot.service",
        "activating the configuration...",
        "setting up /etc...",
        "starting the following units: hello-bot.service",
    ]
    assert machine.running() == new
    assert machine.layout.profile.resolve() == machine.layout.boot_default.resolve() == old
    journal = await console.run("journalctl", "--unit=hello-bot.service", "--lines=2", "--output=cat", "--no-pager")
    assert "hello-bot 2.0 starts" in journal.out + (await console.run("journalctl", "--output=cat")).out
    await console.switch(old)
    assert machine.running() == old


async def test_boot_moves_the_boot_loader_alone(machine: Machine, console: Console) -> None:
    """`boot` changes what the next boot starts, and nothing that runs."""
    old, new = machine.running(), system(machine, console, "2.1")
    assert (await console.switch(new, "boot")).code == 0
    assert machine.running() == old
    await machine.reboot()
    assert machine.running() == new
    await console.switch(old, "switch")
    assert machine.layout.boot_default.resolve() == machine.running() == old


async def test_dry_activate_only_tells(machine: Machine, console: Console) -> None:
    """`dry-activate` says what would happen."""
    old = machine.running()
    done = await console.switch(system(machine, console, "2.2"), "dry-activate")
    assert done.err.splitlines() == [
        "would stop the following units: hello-bot.service",
        "would activate the configuration...",
        "would start the following units: hello-bot.service",
    ]
    assert machine.running() == old


async def test_a_service_that_crashes_is_code_4_with_its_status(machine: Machine, console: Console) -> None:
    """The new system runs, the failed unit is named with its last lines, and going back heals it."""
    old, new = machine.running(), system(machine, console, "2.3", "crashes")
    done = await console.switch(new)
    assert done.code == 4
    assert "Failed to start hello-bot.service\nwarning: the following units failed: hello-bot.service\n" in done.err
    assert "KeyError: 'HELLO_BOT_TOKEN'" in done.err
    assert machine.running() == new
    listed = await console.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager")
    assert listed.out == "hello-bot.service loaded failed failed hello-bot, which greets the team\n"
    done = await console.switch(old)
    assert done.code == 0
    assert done.err.endswith("the following new units were started: hello-bot.service\n")


async def test_a_service_that_failed_before_is_code_4_too(machine: Machine, console: Console) -> None:
    """Code 4 is no proof of harm: here it is the bridge that had failed already."""
    services = samples.SERVICES | {"mautrix-slack": samples.SERVICES["mautrix-slack"] | {"exits": 11}}
    old, first = machine.running(), system(machine, console, "2.4", services=services)
    assert (await console.switch(first)).code == 4
    second = system(machine, console, "2.5", services=services)
    done = await console.switch(second)
    assert done.code == 4
    assert "warning: the following units failed: mautrix-slack.service\n" in done.err
    assert await machine.state("hello-bot.service") == "active"
    assert (await console.switch(old)).code == 0


async def test_two_switches_at_once(machine: Machine, console: Console) -> None:
    """The second one ends with 11 and touches nothing."""
    lock = machine.root / "run/nixos/switch-to-configuration.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = await console.switch(machine.running())
    assert (done.code, done.err) == (11, "Could not acquire lock\n")


async def test_a_switch_that_dies_is_resumed_by_the_next(machine: Machine, console: Console) -> None:
    """Died with 101 when the services were stopped: the next run of the same system starts what was left."""
    old, new = machine.running(), system(machine, console, "2.6")
    machine.fail("switch-stopped", status=101)
    assert (await console.switch(new)).code == 101
    assert await machine.state("hello-bot.service") == "inactive"
    assert machine.running() == old
    done = await console.switch(new)
    assert (done.code, machine.running()) == (0, new)
    assert "starting the following units: hello-bot.service" in done.err
    await console.switch(old)


async def test_an_activation_script_that_fails_is_code_2(machine: Machine, console: Console) -> None:
    """The switch goes on, and says so with 2."""
    machine.fail("activate", status=1)
    done = await console.switch(machine.running())
    assert (done.code, done.err.splitlines()[-1]) == (2, "Failed to run activate script")


async def test_a_boot_loader_that_fails_is_code_1(machine: Machine, console: Console) -> None:
    """Nothing has been touched then."""
    machine.fail("boot-loader", status=1)
    done = await console.switch(system(machine, console, "2.7"), "boot")
    assert (done.code, done.err) == (1, "Failed to install bootloader\n")
    assert machine.layout.boot_default.resolve() == machine.running()


async def test_a_program_can_be_made_to_fail_once(machine: Machine, console: Console) -> None:
    """A test names a program, and if it likes an argument; the next such call fails, the one after that does not."""
    machine.fail("nix-env", status=1, says="error: no\n", argument="--set")
    assert (await console.run("nix-env", "--list-generations")).code == 0
    done = await console.run("nix-env", "--set", machine.running())
    assert (done.code, done.err) == (1, "error: no\n")
    assert (await console.run("nix-env", "--set", machine.running())).code == 0


async def test_what_is_no_action_is_refused(machine: Machine, console: Console) -> None:
    """Anything else gets the usage."""
    done = await console.switch(machine.running(), "--help")
    assert done.code == 1
    assert done.err.startswith("Usage: ")
