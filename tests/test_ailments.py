import pytest

from opsbot.ailments import of_ending, of_login, of_logins
from opsbot.model import SlackLogin

NOW = 1000.0


def login(state: str, *, since: float = NOW, error: str = "", message: str = "", team: str = "T0TEAM") -> SlackLogin:
    """Return a login in a state."""
    return SlackLogin(id=f"{team}-U0BOT", name="Acme - opsbot", state=state, since=since, error=error, message=message)


def test_a_connected_login_is_well() -> None:
    """While the bridge hears Slack there is nothing to say."""
    assert of_logins([login("CONNECTED")], team="T0TEAM", now=NOW) == ""


def test_a_disturbance_of_a_minute_is_an_outage() -> None:
    """What the bridge calls passing is let pass for a minute, and then told."""
    lost = login("TRANSIENT_DISCONNECT", since=NOW - 30, message="dial tcp: timeout")
    assert of_login(lost, now=NOW) == ""
    assert "has not reached Slack for 90 s (dial tcp: timeout)" in of_login(lost, now=NOW + 60)


def test_a_bad_app_token_is_told_at_once() -> None:
    """A revoked app token, which the bridge retries for ever, is told as what it is, with what to do."""
    lost = login("TRANSIENT_DISCONNECT", error="slack-socketmode-error", message="invalid_auth")
    sentence = of_login(lost, now=NOW)
    assert "app token" in sentence
    assert "opsbot slack login" in sentence


@pytest.mark.parametrize(
    ("logins", "words"),
    [
        ([], "no login"),
        ([login("CONNECTED", team="T0OTHER")], "logged in to T0OTHER"),
        ([login("BAD_CREDENTIALS", error="slack-invalid-auth")], "bot token"),
        ([login("UNKNOWN", since=0)], "not tried to reach Slack yet"),
        ([login("UNKNOWN_ERROR", message="team_disabled")], "team_disabled"),
        ([login("UNKNOWN_ERROR", message="Unknown error from Slack: token_revoked")], "bot token"),
        ([login("UNKNOWN_ERROR", message="Unknown error from Slack: missing_scope")], "install it again. Then restart"),
        (
            [login("UNKNOWN_ERROR", message="Unknown error from Slack: slack server error: 503 Service Unavailable")],
            "503 Service Unavailable. It tries again where its setting bridge.unknown_error_auto_reconnect is `1m`",
        ),
        ([login("TRANSIENT_DISCONNECT", error="slack-socketmode-error", message="token_revoked")], "app token"),
        (
            [login("TRANSIENT_DISCONNECT", since=NOW - 90, error="slack-socketmode-connection-error")],
            "look at the host's way to slack.com, and whether Socket Mode is on in the app.",
        ),
    ],
)
def test_each_state_has_its_sentence(logins: list[SlackLogin], words: str) -> None:
    """Whatever keeps the bridge from Slack is said in one sentence."""
    assert words in of_logins(logins, team="T0TEAM", now=NOW)


def exited(code: int) -> str:
    """Return systemd's line about a service that ended."""
    return f"mautrix-slack.service: Main process exited, code=exited, status={code}/n/a"


def test_exit_code_11_names_the_setting() -> None:
    """When the bridge ends because its configuration is unedited, the setting is named that is still the example's."""
    lines = [
        '{"level":"fatal","error":"homeserver.address not configured","message":"Configuration error"}',
        '{"level":"info","message":"See https://docs.mau.fi/faq/field-unconfigured for more info"}',
        exited(11),
    ]
    sentence = of_ending(lines)
    assert "exit code 11" in sentence
    assert "homeserver.address not configured" in sentence
    plain = '2026-01-01T00:00:00Z FTL Configuration error error="database.uri not configured"'
    assert "database.uri not configured" in of_ending([plain, exited(11)])


@pytest.mark.parametrize("code", [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 31, 33, 50, 99])
def test_every_exit_code_has_its_sentence(code: int) -> None:
    """Each way in which mautrix-slack ends is explained; the last one counts."""
    sentence = of_ending(["{", "nonsense", exited(3), exited(code)])
    assert f"exit code {code}." in sentence
    assert "{}" not in sentence
    assert of_ending(["started"]) == ""
