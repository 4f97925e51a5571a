"""Debian's Nix over the flake, with tests/nix/standin in the place of nixpkgs: no network, a store of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[2]
_STANDIN = Path(__file__).parent / "standin"
# It is thrown away after the tests, so it need not survive a power cut.
_CONF = "sandbox = false\nsubstituters =\nbuild-users-group =\nfsync-metadata = false\n"

_NIXPKGS = '{ outputs = _: (import ./. { python = "%s"; top = %s; }).nixpkgs; }'
_SOPS = "{ outputs = _: { nixosModules.sops = ./sops.nix; }; }"


def why_not() -> str | None:
    """Return what to install when there is no Nix here."""
    return None if shutil.which("nix-instantiate") else "install nix-bin: apt-get install nix-bin"


class NixError(Exception):
    """Nix did not take it; the text is what it said."""


class Evaluator:
    """Evaluates and builds what the flake has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "NIX_CONF_DIR": str(folder / "conf"),
            "NIX_STORE_DIR": str(folder / "store"),
            "NIX_STATE_DIR": str(folder / "var"),
            "NIX_LOG_DIR": str(folder / "log"),
            "HOME": str(folder / "home"),
            # Whoever owns the checkout, it is read.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        for name in ("conf", "store", "var", "log", "home"):
            (folder / name).mkdir()
        (folder / "conf/nix.conf").write_text(_CONF)

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NixError(done.stderr)
        return done.stdout

    def _expression(self, wanted: str) -> str:
        return f'with import {_STANDIN} {{ python = "{sys.executable}"; top = {TOP}; }}; {wanted}'

    def parse(self, path: Path) -> None:
        """Read a file as Nix does."""
        self._run("nix-instantiate", "--parse", str(path))

    def check_flake(self) -> None:
        """Let Nix look at every output of the flake, whose inputs are the stand-ins; nothing is built."""
        inputs = self._folder / "inputs"
        shutil.copytree(_STANDIN, inputs / "nixpkgs")
        (inputs / "nixpkgs/flake.nix").write_text(_NIXPKGS % (sys.executable, TOP))
        (inputs / "sops-nix").mkdir()
        shutil.copy(_STANDIN / "sops.nix", inputs / "sops-nix")
        (inputs / "sops-nix/flake.nix").write_text(_SOPS)
        features = ("--extra-experimental-features", "nix-command flakes")
        instead = [("--override-input", name, f"path:{inputs / name}") for name in ("nixpkgs", "sops-nix")]
        words = ("--no-build", "--no-write-lock-file", *(word for words in instead for word in words))
        self._run("nix", *features, "flake", "check", f"git+file://{TOP}", *words)

    def value(self, wanted: str) -> Any:
        """Return what an expression is, in which the flake's outputs are `outputs`."""
        return json.loads(
            self._run("nix-instantiate", "--eval", "--strict", "--json", "--expr", self._expression(wanted))
        )

    def build(self, wanted: str) -> Path:
        """Build what an expression is and return where it lies."""
        expression = self._expression(wanted)
        built = self._run("nix-build", "--no-out-link", "--expr", expression).split()
        return Path(built[-1])
