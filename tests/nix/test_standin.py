"""The stand-in is as strict as NixOS is where we set something: names, types, and what NixOS itself asserts."""

import re

import pytest

from tests.nix.evaluator import Evaluator, NixError
from tests.nix.test_vm import NODE
from tests.nix.whole import refused, system_with

_EXAMPLE = "outputs.nixosConfigurations.ops-jrz1.config"
#: Not systemd's: of a unit some values are there only when somebody sets them.
_PARTS = ("environment", "networking", "nix", "programs", "security", "services", "users")


@pytest.mark.parametrize("config", [_EXAMPLE, NODE], ids=["example", "vm"])
@pytest.mark.parametrize("part", _PARTS)
def test_what_we_set_is_of_the_type_that_nixos_has(nix: Evaluator, config: str, part: str) -> None:
    """Every value of the example host and of the VM test's machine is one that its option takes."""
    assert nix.value(f"builtins.deepSeq {config}.{part} true")


@pytest.mark.parametrize(
    ("module", "option", "why"),
    [
        ('{ systemd.services.tea.wants = [ "network-online" ]; }', "systemd.services.tea.wants", "is not"),
        ('{ systemd.services.tea.unit = "tea"; }', "systemd.services.tea", "does not exist"),
        ('{ systemd.services.tea.serviceConfig.Type = "daemon"; }', "systemd.services.tea.serviceConfig", "is not"),
        ('{ systemd.packages = [ "/srv/units" ]; }', "systemd.packages", "is not"),
        ('{ environment.etc.tea.source = "tea"; }', "environment.etc.tea.source", "is not"),
        ('{ environment.etc.tea.file = "/tea"; }', "environment.etc.tea", "does not exist"),
        ('{ users.users.tea.description = "tea: the bot"; }', "users.users.tea.description", "is not"),
        ("{ networking.firewall.allowedTCPPorts = [ 70000 ]; }", "networking.firewall.allowedTCPPorts", "is not"),
        ('{ programs.ssh.knownHosts.tea.key = "ssh-ed25519 AAAA"; }', "programs.ssh.knownHosts.tea", "does not exist"),
        (
            '{ services.openssh.settings.PermitRootLogin = lib.mkForce "maybe"; }',
            "services.openssh.settings.PermitRootLogin",
            "is not",
        ),
        (
            '{ services.matrix-continuwuity.settings.global.database_path = "/srv"; }',
            "services.matrix-continuwuity.settings.global.database_path",
            "is read-only",
        ),
        (
            '{ services.nginx.virtualHosts.tea.locations."/".proxypass = "http://127.0.0.1"; }',
            "services.nginx.virtualHosts.tea.locations",
            "does not exist",
        ),
    ],
)  # fmt: skip
def test_what_nixos_would_not_take_is_not_taken(nix: Evaluator, module: str, option: str, why: str) -> None:
    """A value of another type, and an option that is not there, end the evaluation with the option's name."""
    with pytest.raises(NixError, match=f"The option {re.escape(option)}.* {why}"):
        nix.value(f"builtins.deepSeq {system_with(module)}.{option} true")


def test_a_user_without_a_group_is_no_user(nix: Evaluator) -> None:
    """NixOS makes no user that has no group, or is neither a person nor a system's."""
    assert "users.users.tea is neither" in refused(nix, "{ users.users.tea.isSystemUser = true; }")
    assert "users.users.tea is neither" in refused(nix, '{ users.users.tea.group = "tea"; }')
