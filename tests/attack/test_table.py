import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.attack.table import ALL

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/security.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/\S+\.py)::(test_\w+)`", PAGE)))
_ATTACKERS = PAGE.partition("\n## Who might attack it\n")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| ([^|]+) \| (\d+) \|.*\| ([^|]+) \|$", _ATTACKERS, re.MULTILINE)


def test_no_attempt_is_made_twice() -> None:
    """Each attempt has a name of its own, and there are more than enough of them."""
    names = Counter(one.what for one in ALL)
    assert [name for name, count in names.items() if count > 1] == []
    assert len(ALL) >= 60


def test_the_manual_has_the_figures() -> None:
    """docs/security.md tells how many attempts are made, in all and in the place of each attacker."""
    assert {name: int(count) for name, count, _ in ROWS} == Counter(one.by for one in ALL)
    assert f"makes {len(ALL)} attempts" in PAGE
    assert f"{len(ALL)} attempts, {len(ALL)} refused, 0 passed." in PAGE


def test_each_attacker_is_shown_by_attempts_of_its_own() -> None:
    """What the manual says of an attacker is shown by attempts that are made in that one's place."""
    made = {(one.by, one.what) for one in ALL}
    named = [(name, what) for name, _, shown in ROWS for what in re.findall(r"\*([^*]+)\*", shown)]
    assert set(named) - made == set()
    assert {name for name, _ in named} == {name for name, _, _ in ROWS}


@pytest.mark.parametrize(("file", "name"), TESTS, ids=[name for _, name in TESTS])
def test_each_test_that_the_manual_names_exists(file: str, name: str) -> None:
    """A test that docs/security.md names is in its file, under that name."""
    tree = ast.parse((TOP / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
