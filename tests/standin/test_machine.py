import asyncio
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import asyncssh
import pytest

from opsbot.standin import processes
from opsbot.standin.machine import Machine

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def connect(machine: Machine, **options: Any) -> asyncssh.SSHClientConnection:
    """Log in as the bot does."""
    known: Any = ([asyncssh.import_public_key(machine.host_key)], [], [])
    keys = [str(machine.client_key)]
    settings = {"username": machine.user, "client_keys": keys, "known_hosts": known, "config": [], **options}
    return await asyncssh.connect("127.0.0.1", machine.port, **settings)


def listener(machine: Machine) -> None:
    """Put a program in place of the helper that tells what it was asked and gives its input back."""
    helper = (machine.running() / "sw/bin/opsbot-host").resolve()
    helper.write_text('#!/bin/sh\necho "$SSH_ORIGINAL_COMMAND|$*|$USER"\ncat\necho a complaint >&2\nexit 3\n')


async def fetch(address: str) -> str:
    """Ask a service over HTTP."""

    def ask() -> str:
        with urlopen(address) as answer:  # noqa: S310 -- an address of the machine's own
            return str(answer.read().decode())

    return await asyncio.to_thread(ask)


async def test_a_new_machine_runs_generation_31_and_its_services(machine: Machine) -> None:
    """A machine comes up with a history, and every service of its newest generation runs."""
    links = sorted(path.name for path in machine.layout.profile.parent.iterdir())
    assert links == ["system", "system-29-link", "system-30-link", "system-31-link"]
    assert machine.layout.profile.readlink() == Path("system-31-link")
    assert machine.running() == machine.layout.profile.resolve() == machine.layout.booted.resolve()
    assert {unit: await machine.state(unit) for unit in ("conduwuit.service", "hello-bot.service", "no.service")} == {
        "conduwuit.service": "active",
        "hello-bot.service": "active",
        "no.service": "not-found",
    }
    assert await fetch(machine.url("hello-bot")) == "hello-bot 1.0: Hello, world!\n"


async def test_nothing_is_left_of_a_machine(tmp_path: Path) -> None:
    """When a machine is switched off, nothing of it runs, and its ports are free; its folder may lie deep."""
    async with Machine(tmp_path / ("deep" * 20) / "with space") as machine:
        assert await machine.state("hello-bot.service") == "active"
        address = machine.url("hello-bot")
        before = [machine.pid, *processes.descendants(machine.pid)]
        assert len(before) > len(machine.repositories.projects)
    assert not set(before) & {one.pid for one in processes.everything()}
    with pytest.raises(OSError, match="refused"):
        await fetch(address)


async def test_two_machines_do_not_know_of_each_other(tmp_path: Path) -> None:
    """Machines in different folders run side by side, with the keys and ports of their own."""
    async with Machine(tmp_path / "a") as a, Machine(tmp_path / "b", host="other") as b:
        assert a.host_key != b.host_key
        assert a.port != b.port
        assert "nixos-system-other-24.05" in b.running().name
        with pytest.raises(asyncssh.PermissionDenied):
            await connect(b, client_keys=[str(a.client_key)], known_hosts=None)


async def test_ssh_runs_the_forced_command_and_nothing_else(machine: Machine) -> None:
    """What the client asks for is told to the helper, with the client's input; the helper's end is the client's."""
    listener(machine)
    async with await connect(machine) as connection:
        done = await connection.run("facts; rm -rf /", input="{}\n")
        assert done.stdout == f"facts; rm -rf /|--config {machine.host_json} ssh|opsbot\n{{}}\n"
        assert (done.stderr, done.exit_status) == ("a complaint\n", 3)


async def test_ssh_gives_no_shell_no_terminal_and_no_forwarding(machine: Machine) -> None:
    """Everything but a command is refused."""
    async with await connect(machine) as connection:
        for wish in ({"command": None}, {"subsystem": "sftp"}, {"command": "facts", "term_type": "xterm"}):
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.run(**wish)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", machine.port)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 22)


async def test_ssh_knows_one_user_and_one_key(machine: Machine) -> None:
    """Another user or another key is not let in, and another machine's key is not this one's."""
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    for options in ({"username": "root"}, {"client_keys": [stranger]}):
        with pytest.raises(asyncssh.PermissionDenied):
            await connect(machine, **options)
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        await connect(machine, known_hosts=([stranger.convert_to_public()], [], []))


async def test_the_eleventh_channel_is_refused(machine: Machine) -> None:
    """One connection has ten channels, as with OpenSSH."""
    listener(machine)
    async with await connect(machine) as connection:
        for _ in range(10):
            await connection.create_process("facts")
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("facts")


async def test_a_cut_machine_goes_on_without_us(machine: Machine) -> None:
    """A cut ends the connections and refuses new ones; what runs goes on, and the port is the same afterwards."""
    listener(machine)
    async with await connect(machine) as connection:
        process = await connection.create_process("facts")
        await process.stdout.readline()
        await machine.cut()
        await process.wait()
        assert process.exit_status is None
    with pytest.raises(ConnectionRefusedError):
        await connect(machine)
    assert await machine.state("hello-bot.service") == "active"
    await machine.heal()
    async with await connect(machine) as connection:
        assert (await connection.run("facts", stdin=asyncssh.DEVNULL)).exit_status == 3


async def test_a_reboot_comes_up_in_what_the_boot_loader_names(machine: Machine) -> None:
    """A reboot forgets what was only tried: the boot loader's system runs, in a boot of another id, without timers."""
    first = machine.layout.boot_id.read_text()
    before = machine.running()
    (machine.layout.running.parent / "current-system").unlink()
    (machine.layout.running.parent / "current-system").symlink_to(machine.layout.profile.with_name("system-29-link"))
    await machine.ask("transient", unit="later.service", text="[Service]", command=["/bin/true"], after=600)
    await machine.reboot()
    assert machine.running() == before
    assert machine.layout.boot_id.read_text() != first
    assert await machine.state("later.timer") == "not-found"
    assert await fetch(machine.url("hello-bot")) == "hello-bot 1.0: Hello, world!\n"
    (await connect(machine)).abort()


async def test_a_machine_without_power_comes_back(machine: Machine) -> None:
    """When the plug is pulled everything ends at once; switched on again it is the same machine on the same port."""
    before = [machine.pid, *processes.descendants(machine.pid)]
    await machine.kill()
    assert not set(before) & {one.pid for one in processes.everything()}
    with pytest.raises(ConnectionRefusedError):
        await connect(machine)
    await machine.start()
    assert await machine.state("hello-bot.service") == "active"
    (await connect(machine)).abort()
