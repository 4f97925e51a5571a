"""The programs of the stand-in machine: `python -m opsbot.standin --root ROOT PROGRAM …`."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from opsbot.standin import faults
from opsbot.standin.errors import ControlError, NixError
from opsbot.standin.paths import Layout

#: Where each program is; only its own module is imported, so that it starts fast.
_PROGRAMS = {
    "init": ("init", "main"),
    "journalctl": ("systemd", "journalctl"),
    "nix": ("nix", "nix"),
    "nix-env": ("nix_profile", "nix_env"),
    "nix-store": ("nix_profile", "nix_store"),
    "nixos-rebuild": ("nix", "nixos_rebuild"),
    "switch-to-configuration": ("switch", "main"),
    "systemctl": ("systemd", "systemctl"),
    "systemd-run": ("systemd", "systemd_run"),
}


def _program(name: str) -> Callable[[Layout, Sequence[str]], int]:
    module, function = _PROGRAMS[name]
    program: Callable[[Layout, Sequence[str]], int] = getattr(import_module(f"opsbot.standin.{module}"), function)
    return program


def main() -> int:
    """Run one program of the machine in ROOT and return its exit status."""
    _, flag, root, name, *arguments = sys.argv
    if flag != "--root":
        raise SystemExit("usage: python -m opsbot.standin --root ROOT PROGRAM …")
    layout = Layout(Path(root))
    if (status := faults.take(layout, name, arguments)) is not None:
        return status
    try:
        return _program(name)(layout, arguments)
    except NixError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except ControlError as error:
        sys.stderr.write(f"{error}\n")
        return error.status


if __name__ == "__main__":
    sys.exit(main())
