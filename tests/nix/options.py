"""docs/options.md, written from the declarations of the modules: `python -m tests.nix.options > docs/options.md`."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.nix.evaluator import Evaluator, why_not

_TREES = {
    "services.opsbot": "The bot, by `nixosModules.opsbot`.",
    "services.opsbot-host": "A machine that opsbot operates, by `nixosModules.host`.",
    "platform": "The whole platform, by `nixosModules.platform`.",
}
_HEAD = """# Options

What can be set of the NixOS modules. [Deployment](deployment.md#on-nixos) says how they come onto a machine. This page
is generated; `make docs` writes it anew.
"""


def page(nix: Evaluator) -> str:
    """Return the page."""
    parts = [_HEAD]
    for tree, sentence in _TREES.items():
        parts.append(f"## {tree}\n\n{sentence}\n")
        parts.extend("\n".join(_entry(row)) + "\n" for row in rows(nix, tree))
    return "\n".join(parts)


def rows(nix: Evaluator, tree: str) -> list[dict[str, Any]]:
    """Return the options below a place in the tree."""
    loc = " ".join(f'"{name}"' for name in tree.split("."))
    found = nix.value(f'import (top + "/tests/nix/standin/options.nix") lib [ {loc} ] (system {{ }}).options.{tree}')
    return list(found)


def _entry(row: dict[str, Any]) -> Iterator[str]:
    yield f"**`{row['name']}`**: `{row['type']}`."
    yield " ".join(row["description"].split())
    if row["default"] is not None:
        yield f"Default: `{row['default']}`."
    elif row["type"] != "submodule":
        yield "It must be set."
    if row["example"] is not None:
        yield f"Example: `{row['example']}`."


def main() -> int:
    """Print the page, or say why it cannot be made."""
    if (why := why_not()) is not None:
        sys.stderr.write(f"{why}\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(page(Evaluator(Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
