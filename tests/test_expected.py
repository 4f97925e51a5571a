from pathlib import Path

import pytest

from opsbot.config.expectations import read_expectations
from opsbot.errors import ConfigError
from tests.test_check import EXAMPLE, cli

#: What the example's first rule answers.
WHY = "hello-bot is deployed from main and from release branches."


def test_expectations_are_held_against_the_configuration(tmp_path: Path) -> None:
    """`opsbot policy test` prints a line for each row, and ends with 1 if one is not as expected."""
    table = tmp_path / "policy.yaml"
    page = (EXAMPLE.parent / "docs" / "configuration.md").read_text()
    table.write_text(page.partition("```yaml\n")[2].partition("```")[0])
    status, said = cli("policy", "test", table, "--config", EXAMPLE)
    assert (status, said.splitlines()) == (
        0,
        [
            "ok    eve: deploy hello-bot: may: eve is deployer. (people.eve.level)",
            "ok    eve: deploy platform: may not: the platform is for admins. (built in)",
            f"ok    dan: deploy hello-bot try: may not: {WHY} (rules[1])",
        ],
    )

    table.write_text(
        "expect:\n- {person: eve, says: deploy hello-bot, may: no}\n- {person: eva, says: hello, may: yes}\n"
    )
    status, said = cli("policy", "test", table, "--config", EXAMPLE)
    assert (status, said.splitlines()) == (
        1,
        [
            "FAIL  eve: deploy hello-bot: wanted may not, but may: eve is deployer. (people.eve.level)",
            "FAIL  eva: hello: there is no eva among people.",
        ],
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("expect: []", "expect (line 1): is empty."),
        ("- 1", "the file must hold keys"),
        ("expect: [{person: eve, says: hello}]", "expect[1].may (line 1): is missing."),
        ("expect: [{person: eve, says: hello, may: perhaps}]", "expect[1].may (line 1): must be true or false."),
        ("expect: [{person: eve, person: dan, says: hello, may: yes}]", "stands here a second time"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    """A table of expectations that cannot be read is answered with the place and what is wanted there."""
    table = tmp_path / "policy.yaml"
    table.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_expectations(table)
    assert sentence in str(caught.value)
