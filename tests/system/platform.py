"""The platform's repository: a flake whose system is a Debian that is switched like a NixOS."""

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.system.debian import THERE
from tests.system.image import VENV

HOST = "ops-jrz1"
PROJECTS = ("hello-bot", "opsbot")
ROOM_PORT = 8008
SYSTEM = f"{platform.machine()}-linux"
TOP = Path(__file__).parents[2]
_NIXOS = Path(__file__).parent / "nixos"

_FLAKE = """{
INPUTS
  outputs = { self, ... }@inputs: {
    nixosConfigurations.HOST.config.system.build.toplevel = derivation {
      name = "nixos-system-HOST-25.05";
      system = "SYSTEM";
      builder = "/usr/bin/python3";
      args = [ "-S" "${./nixos/build.py}" ];
      source = ./.;
      kernel = "${./linux-6.12}/bzImage";
      configurationRevision = self.rev;
      pins = builtins.toJSON { PINS };
      packages = builtins.toJSON { PACKAGES };
    };
  };
}
"""
_PROJECT = """{
  outputs = { self }: {
    package = derivation {
      name = "NAME";
      system = "SYSTEM";
      builder = "/usr/bin/python3";
      args = [ "-S" "${./build.py}" ];
      source = ./.;
    };
  };
}
"""
_BUILD = """import os, pathlib, shutil

out, source = pathlib.Path(os.environ["out"]), pathlib.Path(os.environ["source"])
shutil.copytree(source, out, ignore=shutil.ignore_patterns("flake.nix", "build.py"))
for program in (out / "bin").iterdir():
    program.chmod(0o755)
    program.write_text(program.read_text().replace("@out@", str(out)))
"""
_HELLO = """#!/usr/bin/python3 -PS
import http.server


class Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS)
        self.end_headers()
        self.wfile.write(b"hello-bot VERSION")


http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Greeter).serve_forever()
"""
_OPSBOT = f"""#!/bin/sh
PYTHONPATH=@out@/lib exec {VENV}/bin/python -P -m opsbot "$@"
"""
_OPSBOT_HOST = """#!/usr/bin/python3 -PS
import sys

sys.path.insert(0, "@out@/lib")
from opsbot.onhost.__main__ import main

sys.exit(main())
"""


def _filled(text: str, **words: str) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _project(name: str, files: Mapping[str, str]) -> dict[str, str]:
    return {"flake.nix": _filled(_PROJECT, NAME=name, SYSTEM=SYSTEM), "build.py": _BUILD, **files}


def hello_bot(version: str, *, status: int = 200, program: str = _HELLO) -> dict[str, str]:
    """Return the files of a project that greets over HTTP, with a STATUS."""
    text = _filled(program, VERSION=version, STATUS=str(status))
    return _project("hello-bot", {"bin/hello-bot": text})


def opsbot(changes: Mapping[str, tuple[str, str]] | None = None) -> dict[str, str]:
    """Return the files of opsbot as a package, from this very checkout.

    CHANGES maps a file to a text in it and what stands there in its place: a newer version.
    """
    files = {f"lib/{path.relative_to(TOP)}": path for path in (TOP / "opsbot").rglob("*") if path.suffix != ".pyc"}
    files |= {f"lib/opsbot/_plugins/{path.name}": path for path in (TOP / "plugins").glob("*.py")}
    texts = {name: path.read_text() for name, path in files.items() if path.is_file()}
    for name, (old, new) in (changes or {}).items():
        assert old in texts[name], f"{name} has no {old!r}"
        texts[name] = texts[name].replace(old, new)
    return _project("opsbot", {**texts, "bin/opsbot": _OPSBOT, "bin/opsbot-host": _OPSBOT_HOST})


def settings(**changes: Any) -> dict[str, str]:
    """Return the platform's settings: what is wanted at boot, which units of Debian's are changed, what is left out."""
    wanted = [
        "nix-daemon.service", "network-addresses.service", "firewall.service", "sshd.service",
        "matrix-synapse.service", "hello-bot.service", "opsbot.service",
    ]  # fmt: skip
    standard = {
        "wants": {"multi-user.target": wanted, "sockets.target": ["nix-daemon.socket"]},
        "adapted": {"systemd-journald.service": "\n[Service]\nX-StopIfChanged=false\n"},
        # As NixOS has it: a service that reads a file is another unit when the file is another.
        "triggers": {
            "sshd.service": "ssh/sshd_config",
            "firewall.service": "nftables.conf",
            "opsbot.service": "opsbot/config.yaml",
        },
        "without": [],
        "init": "systemd 2",
    }
    return {"settings.json": json.dumps({**standard, **changes}, indent=1)}


def _units() -> dict[str, str]:
    templates = {path.name: path.read_text() for path in (TOP / "nix/units").glob("*.service")}
    bot = (TOP / "nix/bot/opsbot.service.in").read_text()
    own = {path.name: path.read_text() for path in (_NIXOS / "units").glob("*.service")}
    own = {name: _filled(text, **{"@venv@": VENV, "@address@": THERE}) for name, text in own.items()}
    units = {**templates, **own, "opsbot.service": bot}
    return {f"etc/systemd/system/{name}": text for name, text in units.items()}


def files(host: Mapping[str, Any], bot: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of the platform, whose host and bot are configured so."""
    inputs = [f'  inputs.{name}.url = "{url(name, scheme="git+ssh")}?ref=main";' for name in PROJECTS]
    words = {
        "INPUTS": "\n".join(inputs),
        "HOST": HOST,
        "SYSTEM": SYSTEM,
        "PINS": " ".join(f"{name} = inputs.{name}.rev;" for name in PROJECTS),
        "PACKAGES": " ".join(f"{name} = inputs.{name}.package;" for name in PROJECTS),
    }
    restart = (TOP / "nix/polkit/11-opsbot-restart.rules.in").read_text()
    standin = [TOP / "opsbot/__init__.py", *(TOP / "opsbot/standin").glob("*.py")]
    return {
        "flake.nix": _filled(_FLAKE, **words),
        **{f"nixos/{path.name}": path.read_text() for path in _NIXOS.glob("*.py")},
        **{f"nixos/{path.relative_to(TOP)}": path.read_text() for path in standin},
        "nixos/nixos-rebuild": (TOP / "tests/programs/nixos-rebuild").read_text(),
        "linux-6.12/bzImage": "Linux 6.12\n",
        **settings(),
        **_units(),
        "etc/ssh/sshd_config": sshd_config(),
        "etc/nftables.conf": FIREWALL,
        "etc/polkit-1/rules.d/10-opsbot.rules": (TOP / "nix/polkit/10-opsbot.rules").read_text(),
        "etc/polkit-1/rules.d/11-opsbot-restart.rules": restart.replace("@restart@", json.dumps(host["restart"])),
        "etc/tmpfiles.d/opsbot.conf": (TOP / "nix/tmpfiles/opsbot.conf").read_text(),
        # Debian lets one group alone speak to Nix's daemon, NixOS everybody.
        "etc/tmpfiles.d/nix-daemon.conf": "d /nix/var/nix/daemon-socket 0755 root root -\n",
        "etc/opsbot/host.json": json.dumps(host, indent=1),
        "etc/opsbot/config.yaml": json.dumps(bot, indent=1),
        "etc/motd": "Welcome\n",
    }


def url(name: str, *, scheme: str = "ssh") -> str:
    """Return the address of a repository on the host's own forge."""
    return f"{scheme}://git@127.0.0.1/srv/git/{name}.git"


FIREWALL = """flush ruleset
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    iif "lo" accept
    ct state established,related accept
    tcp dport { 22, 8008 } accept
  }
}
"""


def sshd_config(first: str = "") -> str:
    """Return sshd's configuration, with what is installed for the bot at its end."""
    own = "HostKey /etc/ssh/ssh_host_ed25519_key\nUsePAM yes\nPasswordAuthentication no\nPrintMotd no\n"
    git = "Match User git\n    AuthorizedKeysFile /etc/ssh/keys/git\n    DisableForwarding yes\nMatch all\n"
    return first + own + git + (TOP / "nix/ssh/opsbot.conf").read_text()
