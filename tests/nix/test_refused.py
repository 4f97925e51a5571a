import pytest

from tests.nix.evaluator import Evaluator
from tests.nix.whole import refused, system_with


def test_a_wrong_configuration_is_no_system(nix: Evaluator) -> None:
    """Bot and helper read their configurations in the build and end it with a sentence: no machine gets a wrong one."""
    said = refused(nix, '{ services.opsbot.settings.people.eve.level = "emperor"; }')
    assert "people.eve.level" in said
    assert "Correct services.opsbot.settings" in said
    said = refused(nix, '{ services.opsbot-host.settings.projects.web = { url = "u"; untis = [ ]; }; }')
    assert "The host's configuration is wrong at projects.web" in said
    assert "untis" in said


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("{ services.opsbot.credentials = lib.mkForce { }; }", "credentials that are nowhere: matrix-token, ssh-key"),
        ('{ services.opsbot.credentials.tea = "/run/tea"; }', "which no key of services.opsbot.settings names"),
        ("{ services.opsbot.settings.rooms = lib.mkForce [ ]; }", "name at least one room"),
        ('{ services.opsbot.settings.database = "sqlite:////srv/bot.db"; }', "below /var/lib/opsbot-bot alone"),
        ('{ services.opsbot.settings.credentials = "/srv"; }', "use services.opsbot.credentials"),
        ('{ services.opsbot.credentials.matrix-token = builtins.storeDir + "/x"; }', "outside of the Nix store"),
        ("{ services.opsbot-host.authorizedKeys = lib.mkForce [ ]; }", "nobody could ask this host"),
        ('{ services.openssh.settings.AllowUsers = [ "dan" ]; }', "AllowUsers leaves out `opsbot`"),
        ('{ services.openssh.settings.AllowGroups = [ "wheel" ]; }', "AllowGroups leaves out `opsbot`"),
        (f'{{ services.opsbot-host.pins.tea = "{"a" * 40}"; }}', "settings.projects lacks"),
        ('{ platform.bridges.slack.settings.bridge.permissions = lib.mkForce { "*" = "relay"; }; }', "names nobody"),
        ('{ platform.bridges.slack.settings.homeserver.domain = "example.com"; }', "exit code 11"),
        ('{ platform.bridges.slack.settings.appservice.as_token = "secret"; }', "has a token in it"),
        ('{ platform.bridges.slack.settings.appservice.username_template = "slack"; }', "has no {{.}}"),
        ('{ platform.bridges.slack.settings.database.type = "sqlite3"; }', "exit code 14"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_a_sentence(nix: Evaluator, module: str, sentence: str) -> None:
    """A system that could not work is refused before anything of it is built, with what to do about it."""
    assert sentence in refused(nix, module)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("{ system.configurationRevision = null; }", "opsbot will deploy nothing here"),
        ('{ services.opsbot-host.settings.projects.tea.url = "https://git.ops.test/tea.git"; }', "pins lacks tea"),
    ],
)
def test_what_is_not_well_is_warned_of(nix: Evaluator, module: str, sentence: str) -> None:
    """What works and is not well yet is a warning."""
    rest = "" if "Revision" in module else '{ system.configurationRevision = "x"; }'
    [warning] = nix.value(f"{system_with(*filter(None, (module, rest)))}.warnings")
    assert sentence in warning
