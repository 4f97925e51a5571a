import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from opsbot.ailments import of_ending
from opsbot.bridge.manifest import EVENTS, SCOPES
from opsbot.check import check
from opsbot.mautrix.process import BridgeProcess
from opsbot.mautrix.setup import Setup
from opsbot.slack import log_in
from tests.bridge.crossing import COMMAND, Crossing, crossing, processed

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


# The loop is that of all tests here: a Slack that is not answered for half a minute would drop its sockets.
@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def new(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crossing]:
    """A bridge that nobody has logged in, and a bot that does not run."""
    async with crossing(tmp_path_factory.mktemp("new"), logged_in=False) as made:
        made.write_config()
        yield made


async def login(new: Crossing, *arguments: str) -> tuple[int, str]:
    """Run `opsbot slack login`; return its exit status and what it said."""
    command = [sys.executable, "-m", "opsbot", "slack", "login", "--config", str(new.config_file), *arguments]
    return await processed(command)


async def checked(new: Crossing) -> list[str]:
    """Return what `opsbot check` says of Slack."""
    lines = [line async for line in check(new.config_file, os.environ)]
    return [str(line) for line in lines if line.what == "slack"]


async def test_the_manifest_is_what_slack_takes() -> None:
    """`opsbot slack manifest` prints JSON with file_created, and no scope that nobody needs."""
    status, said = await processed([sys.executable, "-m", "opsbot", "slack", "manifest", "--name", "Ops bot"])
    printed = json.loads(said)
    assert status == 0
    assert printed["features"]["bot_user"]["display_name"] == "Ops bot"
    assert printed["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    assert "file_created" in printed["settings"]["event_subscriptions"]["bot_events"] == list(EVENTS)
    assert not [scope for scope in SCOPES if "invites" in scope or "topic" in scope or "pins" in scope]


async def test_before_the_login_the_check_says_what_to_do(new: Crossing) -> None:
    """A bridge without a login is told as such, with the command that helps."""
    assert ["FAIL" in line and "opsbot slack login" in line for line in await checked(new)] == [True]


async def test_wrong_tokens_are_told_apart(new: Crossing) -> None:
    """A bad bot token, a bad app token and a file of another kind each have a sentence of their own."""
    new.write_credential("slack-bot-token", "xoxb-wrong")
    status, said = await login(new)
    assert (status, "does not accept the bot token" in said) == (1, True)
    new.write_credential("slack-bot-token", "xoxp-wrong")
    status, said = await login(new)
    assert (status, "must begin with xoxb-" in said) == (1, True)
    new.write_credential("slack-bot-token", new.workspace.bot_token)
    new.write_credential("slack-app-token", "xapp-wrong")
    status, said = await login(new)
    assert (status, "does not accept the app token" in said) == (1, True)
    assert ["app token" in line for line in await checked(new)] == [True]
    new.write_credential("slack-app-token", new.workspace.app_token)


async def test_one_command_logs_in(new: Crossing) -> None:
    """`opsbot slack login` ends with the workspace's name when the bridge hears Slack; saying it again does no harm."""
    for _ in range(2):
        status, said = await login(new)
        assert (status, "Acme - opsbot is connected." in said) == (0, True), said
    assert (await checked(new))[-1] == "ok    slack: the bridge is logged in: Acme - opsbot (CONNECTED)."


async def test_a_lost_database_needs_one_command(new: Crossing) -> None:
    """After the bridge's database was lost the check says so, and the same command brings the login back."""
    await new.bridge.stop()
    for file in new.setup.folder.glob("bridge.db*"):
        file.unlink()
    assert await new.bridge.start() is None
    assert "database was lost" in (await checked(new))[0]
    assert [sentence async for sentence in log_in(new.bot_config(), os.environ)][-1] == "Acme - opsbot is connected."


async def test_the_wrong_workspace_is_noticed(new: Crossing) -> None:
    """Tokens of another workspace than the configuration's are refused with both names."""
    new.config["bridge"]["team"] = "T0OTHER"
    new.write_config()
    status, said = await login(new)
    new.config["bridge"]["team"] = "T0TEAM"
    new.write_config()
    assert status == 1
    assert "workspace T0TEAM, but bridge.team is T0OTHER" in said


async def test_a_wrong_secret_and_a_bridge_that_is_away(new: Crossing) -> None:
    """Each reason why the bridge cannot be asked has its sentence."""
    new.write_credential("bridge-secret", "wrong-wrong-wrong")
    assert "provisioning.shared_secret" in (await checked(new))[0]
    new.write_credential("bridge-secret", new.setup.provisioning_secret)
    await new.bridge.stop()
    assert "cannot be reached" in (await checked(new))[0]
    assert await new.bridge.start() is None


@pytest.mark.parametrize(
    ("section", "key", "value", "code"),
    [
        ("homeserver", "address", None, 11),
        ("homeserver", "domain", None, 11),
        ("database", "uri", None, 11),
        ("bridge", "permissions", None, 11),
        ("appservice", "as_token", "x" * 32, 16),
    ],
)
async def test_the_bridge_ends_as_it_is_explained(
    new: Crossing, tmp_path: Path, section: str, key: str, value: str | None, code: int
) -> None:
    """An unedited setting ends the bridge with 11 and its name; a token that the homeserver does not know, with 16."""
    setup = Setup(folder=tmp_path, server_name=new.setup.server_name, port=new.setup.port + 1)
    setup.write_registration()
    configuration = setup.configuration(new.homeserver.url)
    if value is None:
        del configuration[section][key]
    else:
        configuration[section][key] = value
    setup.write_config(configuration)
    bridge = BridgeProcess(setup, new.workspace.environment, COMMAND)
    assert await bridge.start() == code
    journal = [*bridge.log.read_text().splitlines(), f"Main process exited, code=exited, status={code}/n/a"]
    sentence = of_ending(journal)
    assert f"exit code {code}" in sentence
    assert code != 11 or f"{section}.{key}" in sentence
