"""What docs/reliability.md names is there."""

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/reliability.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/\S+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_each_test_that_holds_a_promise_exists(file: str, name: str) -> None:
    """A test that the page names for a promise, a rule or a figure is in its file, under that name."""
    tree = ast.parse((TOP / file).read_text())
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in tests


def test_every_promise_and_every_rule_has_its_tests() -> None:
    """Six promises and five rules stand in the page, each with two tests or more."""
    promises = PAGE.partition("## Promises")[2]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and "::test_" in line]
    assert len(rows) >= 11
    assert all(line.count("::test_") >= 2 for line in rows)
