import json
import re
from pathlib import Path
from typing import Any

import pytest

from opsbot.mautrix.config import load as load_bridge
from opsbot.mautrix.model import ExitError
from tests.nix.evaluator import Evaluator
from tests.nix.whole import system_with


def _templates(nix: Evaluator, name: str) -> tuple[Any, Any]:
    enable = (
        f'{{ platform.bridges.{name} = {{ enable = true; settings.bridge.permissions."@eve:ops.test" = "user"; }}; }}'
    )
    templates = nix.value(f"{system_with(enable)}.sops.templates")
    texts = [templates[f"mautrix-{name}{end}.yaml"]["content"] for end in ("", "-registration")]
    # As sops fills them in.
    filled = [re.sub(r"<SOPS:(\w{8})\w*:PLACEHOLDER>", r"secret-\1", text) for text in texts]
    return json.loads(filled[0]), json.loads(filled[1])


@pytest.mark.parametrize("name", ["slack", "whatsapp", "gmessages"])
def test_a_bridge_is_told_what_it_needs(nix: Evaluator, tmp_path: Path, name: str) -> None:
    """What a bridge is told keeps it from ending with exit code 11, and the homeserver is told the same of it."""
    told, registered = _templates(nix, name)
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(told))
    bridge = load_bridge(path)
    assert (bridge.domain, bridge.status_events) == ("ops.test", True)
    assert told["bridge"]["relay"] == {"enabled": False}
    assert told["encryption"] == {"allow": False}
    assert (bridge.as_token, bridge.hs_token) == (registered["as_token"], registered["hs_token"])
    assert (bridge.address, bridge.appservice) == (registered["url"], registered["id"])
    claimed = [re.compile(one["regex"]) for one in registered["namespaces"]["users"]]
    for account in (bridge.bot, f"@{name}_t0team-u034eve:ops.test"):
        assert any(one.fullmatch(account) for one in claimed)
    assert not any(one.fullmatch("@eve:ops.test") for one in claimed)
    assert not any(one.fullmatch(f"@{registered['sender_localpart']}:ops.test") for one in claimed)


def test_what_is_asserted_of_a_bridge_is_what_it_ends_with(nix: Evaluator, tmp_path: Path) -> None:
    """A setting that our modules refuse is one with which the bridge would have ended."""
    told, _ = _templates(nix, "slack")
    for section, key, value in (
        ("homeserver", "domain", "example.com"),
        ("homeserver", "address", "http://example.localhost:8008"),
        ("bridge", "permissions", {"*": "relay"}),
        ("appservice", "username_template", "slack"),
    ):
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps({**told, section: {**told[section], key: value}}))
        with pytest.raises(ExitError) as end:
            load_bridge(path)
        assert end.value.code == 11


def test_a_bridge_is_built_without_libolm(nix: Evaluator) -> None:
    """Nothing is encrypted by a bridge, so it is built without the library that is known to be unsafe."""
    unit = nix.value(
        "outputs.nixosConfigurations.ops-jrz1.config.systemd.services.mautrix-slack.serviceConfig.ExecStart"
    )
    assert unit.split()[0].endswith("-mautrix-slack-goolm/bin/mautrix-slack")


def test_other_bridges_are_off(system: Path) -> None:
    """Only the bridge to Slack runs unless somebody enables another."""
    names = {path.name for path in (system / "etc/systemd/system").glob("mautrix-*")}
    assert names == {"mautrix-slack.service"}
