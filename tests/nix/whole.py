"""A whole host to which tests add one thing."""

import pytest

from tests.nix.evaluator import Evaluator, NixError

#: All that the modules of host, bot and platform ask for.
HOST = """{
  services.opsbot-host = {
    enable = true;
    authorizedKeys = [ "ssh-ed25519 AAAA opsbot" ];
    settings.platform.url = "https://git.ops.test/team/platform.git";
  };
}"""
BOT = """{
  services.opsbot = {
    enable = true;
    settings = {
      homeserver = { url = "http://127.0.0.1:6167"; user = "@opsbot:ops.test"; token_file = "matrix-token"; };
      rooms = [ "#ops:ops.test" ];
      people.dan = { level = "admin"; accounts = [ "@dan:ops.test" ]; };
      hosts.nixos = {
        address = "127.0.0.1";
        user = "opsbot";
        key_file = "ssh-key";
        host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHFcMJSgh/0HX1ZIhxmdXD3dBlbHNWsjs5GwjbZVzTwA";
      };
    };
  };
}"""
_PLATFORM = """{
  platform = { domain = "ops.test"; email = "ops@ops.test"; };
  platform.bridges.slack.settings.bridge.permissions."@opsbot:ops.test" = "user";
  sops.defaultSopsFile = ./secrets.yaml;
}"""


def system_with(*modules: str) -> str:
    """Return the configuration of that host with MODULES, as an expression."""
    inside = "".join(f"({module})" for module in (HOST, BOT, _PLATFORM, *modules))
    return f"(system {{ imports = [ {inside} ]; }}).config"


def refused(nix: Evaluator, *modules: str) -> str:
    """Return why a system with MODULES cannot be built."""
    with pytest.raises(NixError) as error:
        nix.build(f"{system_with(*modules)}.system.build.toplevel")
    return str(error.value)
