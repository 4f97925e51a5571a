"""The programs that know flakes: `nix` and `nixos-rebuild`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from opsbot.standin import flake
from opsbot.standin.build import Builder
from opsbot.standin.errors import NixError
from opsbot.standin.nixstore import Store, differences
from opsbot.standin.paths import Layout, link, write
from opsbot.standin.system import SystemBuilder


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, allow_abbrev=False)
    parser.add_argument("--extra-experimental-features", action="append", default=[])
    return parser


def nix(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `nix flake lock` or `nix store diff-closures`."""
    parser = _parser("nix")
    parser.add_argument("--override-input", nargs=2, action="append", default=[])
    parser.add_argument("words", nargs="+")
    asked = parser.parse_args(arguments)
    match asked.words:
        case ["flake", "lock"]:
            _flake_lock(Store(layout), Path.cwd(), dict(asked.override_input))
        case ["store", "diff-closures", old, new]:
            store = Store(layout)
            before, after = (store.closure(store.need(Path(path))) for path in (old, new))
            sys.stdout.writelines(line + "\n" for line in differences(before, after))
        case words:
            raise NixError(f"'{' '.join(words[:2])}' is not a recognised command")
    return 0


def _flake_lock(store: Store, folder: Path, overrides: dict[str, str]) -> None:
    text = (folder / "flake.nix").read_text()
    before = flake.read_lock(folder)
    after, said = flake.relock(store, text, before, overrides)
    if after != before:
        _say(f"warning: updating lock file '{folder}/flake.lock':")
        write(folder / "flake.lock", flake.dump(after))
    for line in said:
        _say(line)


def nixos_rebuild(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `nixos-rebuild build`: leaves `./result`, its log on standard error."""
    parser = _parser("nixos-rebuild")
    parser.add_argument("action", choices=["build"])
    parser.add_argument("--flake", required=True)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--no-update-lock-file", action="store_true")
    parser.add_argument("--print-build-logs", "-L", action="store_true")
    asked = parser.parse_args(arguments)
    pace = float(layout.settings["pace"])

    def log(line: str) -> None:
        _say(line)
        time.sleep(pace)

    _say("building the system configuration...")
    ref = flake.Ref.parse(asked.flake)
    store = Store(layout)
    source = flake.tree(store, ref)
    system = SystemBuilder(Builder(store, log)).build(source, flake.resolve(ref), ref.attribute)
    link(Path.cwd() / "result", system)
    store.keep(Path.cwd() / "result")
    return 0
