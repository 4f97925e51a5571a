"""One story, told on two machines: the NixOS of nix/test.nix, and the Debian of tests/system."""

from collections.abc import Callable
from typing import Protocol

_GONE = "/run/systemd/system/opsbot.service.d"


class Machine(Protocol):
    """What both drivers can do: run a command of the shell as root, once or until it ends with 0."""

    def succeed(self, command: str) -> str:
        """Run a command, which must end with 0, and return what it wrote."""

    def wait_until_succeeds(self, command: str, timeout: int) -> str:
        """Run a command until it ends with 0."""


def story(machine: Machine, commit: Callable[[str], object]) -> None:
    """Deploy hello-bot, break it, leave the host alone with it, and go back. COMMIT puts a version of it on main."""

    def deploy(number: int, words: str) -> str:
        machine.succeed(f"room say admin '{words}'")
        return machine.wait_until_succeeds(f"room closing {number}", timeout=180)

    def greets(version: str) -> None:
        machine.wait_until_succeeds(f"room greets 'hello-bot {version}'", timeout=120)

    first = machine.succeed("readlink -f /run/current-system")
    greets("1.0")

    commit("1.1")
    assert "generation 2" in deploy(1, "!deploy hello-bot")
    greets("1.1")
    second = machine.succeed("readlink -f /run/current-system")
    assert second == machine.succeed("readlink -f /nix/var/nix/profiles/system") != first

    # One that starts and does not greet: the host undoes it, because the check held before.
    commit("broken")
    assert "was well before and is not now" in deploy(2, "!deploy hello-bot")
    greets("1.1")
    assert machine.succeed("readlink -f /run/current-system") == second

    # The bot is gone while the host activates: nobody confirms, and the host goes back by itself. Without the condition
    # the switch would start the bot again, like everything that is wanted and does not run.
    commit("1.2")
    machine.succeed(f"mkdir -p {_GONE} && printf '[Unit]\nConditionPathExists=/bots\n' > {_GONE}/gone.conf")
    machine.succeed("systemctl daemon-reload && room say admin '!deploy hello-bot'")
    machine.wait_until_succeeds("systemctl list-units --plain 'opsbot-activate@*' | grep activating", timeout=180)
    # The switch may just be about to start what does not run, and so cancel a first stop.
    machine.wait_until_succeeds("systemctl stop opsbot.service", timeout=60)
    greets("1.2")
    greets("1.1")
    machine.succeed(f"rm -r {_GONE} && systemctl daemon-reload && systemctl start opsbot.service")
    assert "Nobody confirmed" in machine.wait_until_succeeds("room closing 3", timeout=180)
    assert machine.succeed("readlink -f /nix/var/nix/profiles/system") == second

    assert "Generation 1 runs" in deploy(4, "!rollback")
    greets("1.0")
    assert machine.succeed("readlink -f /run/current-system") == first
