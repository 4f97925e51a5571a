import json

import pytest

from tests.test_check import cli


def test_the_app_is_called_as_somebody_wants() -> None:
    """`opsbot slack manifest --name` prints a manifest of that name."""
    status, said = cli("slack", "manifest", "--name", "Ops bot")

    assert (status, json.loads(said)["display_information"]["name"]) == (0, "Ops bot")


@pytest.mark.parametrize("name", ["", "  ", "x" * 36])
def test_a_name_that_slack_would_not_take_is_refused_here(name: str) -> None:
    """A name that is empty or too long for Slack is answered with one sentence, and no manifest."""
    assert cli("slack", "manifest", "--name", name) == (
        1,
        "opsbot: The name of an app in Slack has at least one character, and at most 35.\n",
    )
