"""The programs that know profiles and roots: `nix-env` and `nix-store`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from opsbot.standin.nixstore import Store
from opsbot.standin.paths import Layout, link
from opsbot.standin.profile import Profile


def nix_env(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `nix-env` on a profile: `--set`, `--switch-generation`, `--rollback` or `--list-generations`."""
    parser = argparse.ArgumentParser(prog="nix-env", allow_abbrev=False)
    parser.add_argument("--profile", "-p", type=Path, default=layout.profile)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--set", type=Path)
    action.add_argument("--switch-generation", type=int)
    action.add_argument("--rollback", action="store_true")
    action.add_argument("--list-generations", action="store_true")
    asked = parser.parse_args(arguments)
    profile = Profile(asked.profile)
    if asked.set is not None:
        profile.add(Store(layout).need(asked.set))
    elif asked.list_generations:
        sys.stdout.writelines(line + "\n" for line in profile.listing())
    else:
        said = profile.rollback() if asked.rollback else profile.switch(asked.switch_generation)
        sys.stderr.write(said + "\n")
    return 0


def nix_store(layout: Layout, arguments: Sequence[str]) -> int:
    """Run `nix-store --realise PATH --add-root LINK`, which keeps a path from being collected."""
    parser = argparse.ArgumentParser(prog="nix-store", allow_abbrev=False)
    parser.add_argument("--realise", "-r", type=Path, required=True)
    parser.add_argument("--add-root", type=Path)
    parser.add_argument("--indirect", action="store_true")
    asked = parser.parse_args(arguments)
    store = Store(layout)
    path = store.need(asked.realise)
    if asked.add_root is not None:
        link(asked.add_root, path)
        store.keep(Path(os.path.abspath(asked.add_root)))  # noqa: PTH100 -- resolve() would follow the root itself
    sys.stdout.write(f"{asked.add_root or path}\n")
    return 0
