"""The files of the demo's repositories: a platform, and projects that are small but true."""

import json
from collections.abc import Mapping
from typing import Any

NIXPKGS = {
    "locked": {
        "lastModified": 1735563628,
        "narHash": "sha256-OnSAY7XDSx7CtDoqNh8jwVwh4xNL/2HaJxGjryLWzX8=",
        "owner": "NixOS",
        "repo": "nixpkgs",
        "rev": "b134951a4c9f3c995fd7be05f3243f8ecd65d798",
        "type": "github",
    },
    "original": {"owner": "NixOS", "ref": "nixos-24.05", "repo": "nixpkgs", "type": "github"},
}

SERVICES: dict[str, dict[str, Any]] = {
    "conduwuit": {"version": "0.5.0-rc.8", "description": "Conduwuit Matrix homeserver"},
    "forgejo": {"version": "7.0.12", "description": "Forgejo, the repositories of the team"},
    "mautrix-slack": {"version": "0.1.4", "description": "Matrix-Slack puppeting bridge"},
    "nginx": {"version": "1.26.2", "description": "Nginx web server"},
    "opsbot": {"version": "0.1.0", "description": "opsbot, which operates this host"},
    "postgresql": {"version": "15.10", "description": "PostgreSQL server", "program": "postgres"},
}

_PLATFORM_FLAKE = """{{
  description = "{host}: what the team's host runs";

  inputs = {{
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
{inputs}
  }};

  outputs = {{ self, nixpkgs, ... }}@inputs: {{
    nixosConfigurations.{host} = nixpkgs.lib.nixosSystem {{
      system = "x86_64-linux";
      specialArgs = {{ platform = builtins.fromJSON (builtins.readFile ./platform.json); }};
      modules = [
        {{ system.configurationRevision = self.rev; }}
{modules}
      ];
    }};
  }};
}}
"""

_PROJECT_FLAKE = """{{
  description = "{description}";

  outputs = {{ self }}: {{
    nixosModules.default = import ./module.nix self;
  }};
}}
"""

_MODULE = """self:
{{ config, lib, pkgs, ... }}:
let
  service = builtins.fromJSON (builtins.readFile ./service.json);
in
{{
  systemd.services.{name} = {{
    inherit (service) description;
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {{
      ExecStart = "${{pkgs.python3}}/bin/python ${{self}}/${{service.main}}";
      DynamicUser = true;
      Type = "notify";
    }};
  }};
}}
"""

_SERVER = '''"""{description}."""

import http.server
import os
import socket
import socketserver

VERSION = "{version}"


def greeting(name: str) -> str:
    """Return what {name} says to somebody."""
    return f"{hello}, {{name}}!"


class Handler(http.server.BaseHTTPRequestHandler):
    """Greets whoever asks."""

    def do_GET(self) -> None:
        """Answer any path."""
        body = f"{name} {{VERSION}}: {{greeting('world')}}\\n".encode()
        self.send_response({answer})
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the checks of the host come every second."""


class Server(socketserver.ThreadingTCPServer):
    """Can be started again at once."""

    allow_reuse_address = True
    daemon_threads = True


def ready() -> None:
    """Tell the service manager that we listen."""
    address = os.environ.get("NOTIFY_SOCKET", "").replace("@", "\\0", 1)
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address)


if __name__ == "__main__":
    print(f"{name} {{VERSION}} starts", flush=True)
{before}    with Server(("127.0.0.1", int(os.environ["PORT"])), Handler) as server:
        ready()
        print("listening on port", os.environ["PORT"], flush=True)
{after}        server.serve_forever()
'''

_TEST = """import unittest

from {module} import greeting


class Greeting(unittest.TestCase):
    def test_says_hello(self) -> None:
        self.assertEqual(greeting("Ana"), "{hello}, Ana!")

    def test_names_whom_it_greets(self) -> None:
        self.assertIn("Ben", greeting("Ben"))
"""

#: What a service does wrong: the fields of its files that differ.
_WAYS: Mapping[str, Mapping[str, Any]] = {
    "well": {},
    "crashes": {"before": '    token = os.environ["HELLO_BOT_TOKEN"]\n'},
    "crashes-later": {"after": "        import threading\n\n        threading.Timer(0.3, os._exit, [2]).start()\n"},
    "unhealthy": {"answer": 500},
    "slow-start": {"before": "    import time\n\n    time.sleep(1)\n"},
    "does-not-build": {"says": "Hi"},
    "slow": {"build_seconds": 60.0},
}


def project(
    name: str, version: str, *, hello: str = "Hello", behaviour: str = "well", tested: bool = True
) -> dict[str, str]:
    """Return the files of a project whose service behaves in one of the ways that are named here.

    `well`, `crashes` (at start), `crashes-later`, `unhealthy` (answers 500), `slow-start`, `does-not-build` (a test
    fails) and `slow` (a minute to build). Unless it is TESTED it has no tests, and builds faster.
    """
    way = {"before": "", "after": "", "answer": 200, "says": hello, "build_seconds": 0.0, **_WAYS[behaviour]}
    module = name.replace("-", "_")
    described = f"{name}, which greets the team"
    code = _SERVER.format(
        name=name,
        version=version,
        description=described.capitalize(),
        hello=way["says"],
        answer=way["answer"],
        before=way["before"],
        after=way["after"],
    )
    service = {"name": name, "version": version, "description": described, "main": f"{module}.py"}
    more = {"build_seconds": way["build_seconds"]} if way["build_seconds"] else {}
    files = {
        "README.md": f"# {name}\n\nGreets the team. Deploy it with `!deploy {name}`.\n",
        "flake.nix": _PROJECT_FLAKE.format(description=described),
        "module.nix": _MODULE.format(name=name),
        "service.json": _json(service | more | ({"test": f"test_{module}"} if tested else {})),
        f"{module}.py": code,
    }
    return files | ({f"test_{module}.py": _TEST.format(module=module, hello=hello)} if tested else {})


def platform(
    host: str,
    projects: Mapping[str, tuple[str, int]],
    services: Mapping[str, Mapping[str, Any]],
    **more: Any,
) -> dict[str, str]:
    """Return the platform's files but its lock; PROJECTS are the URL and the port of each by its name.

    MORE goes into platform.json, e.g. `kernel` or `etc` (files below etc/, by name).
    """
    inputs = "\n".join(f'    {name}.url = "git+{url}?ref=main";' for name, (url, _) in projects.items())
    modules = "\n".join(f"        inputs.{name}.nixosModules.default" for name in projects)
    facts = {
        "host": host,
        "version": "24.05.20241230.b134951",
        "kernel": "6.6.68",
        "services": services,
        "projects": {name: {"port": port} for name, (_, port) in projects.items()},
        **more,
    }
    return {
        "README.md": f"# {host}\n\nThe configuration of the team's host. What runs is branch `deployed/{host}`.\n",
        "flake.nix": _PLATFORM_FLAKE.format(host=host, inputs=inputs, modules=modules),
        "platform.json": _json(facts),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
