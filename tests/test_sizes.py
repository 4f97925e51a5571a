"""How large things may become, so that they can be read."""

import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parent.parent
CODE = sorted(path.relative_to(TOP) for folder in ("opsbot", "plugins") for path in (TOP / folder).rglob("*.py"))
TESTS = sorted(path.relative_to(TOP) for path in (TOP / "tests").rglob("*.py"))

_FILE = 250
_BODY = 50
_MEDIAN = 8
_NINE_IN_TEN = 25
_LATER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each function of a file with the lines of its body, without its docstring."""
    for node in ast.walk(ast.parse((TOP / path).read_text())):
        if isinstance(node, _Function):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield f"{path}:{node.lineno} {node.name}", lines


SIZES = dict(size for path in CODE for size in bodies(path))


def test_no_file_has_two_jobs() -> None:
    """A file of the code has at most 250 lines; if one needs more, it has two jobs."""
    lengths = {str(path): len((TOP / path).read_text().splitlines()) for path in CODE}
    long = {path: lines for path, lines in lengths.items() if lines > _FILE}
    assert not long, f"Split these: {long}"


def test_no_function_is_longer_than_a_screen() -> None:
    """The body of a function has at most 50 lines."""
    long = {name: lines for name, lines in SIZES.items() if lines > _BODY}
    assert not long, f"Split these: {long}"


def test_most_functions_are_short() -> None:
    """Half of the functions have 8 lines or fewer, and nine in ten have 25 or fewer."""
    sizes = sorted(SIZES.values())
    assert statistics.median(sizes) <= _MEDIAN
    assert sizes[len(sizes) * 9 // 10] <= _NINE_IN_TEN


def test_nothing_is_put_off() -> None:
    """No comment puts work off to another day; such work is an issue."""
    found = [
        f"{path}:{token.start[0]} {token.string}"
        for path in (*CODE, *TESTS)
        for token in tokenize.generate_tokens(io.StringIO((TOP / path).read_text()).readline)
        if token.type == tokenize.COMMENT and _LATER.search(token.string)
    ]
    assert not found, f"Do these, or make them issues: {found}"


def test_every_test_says_what_holds() -> None:
    """Every test has a docstring of one sentence, which could stand in the manual."""
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path in TESTS
        for node in ast.walk(ast.parse((TOP / path).read_text()))
        if isinstance(node, _Function) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent, f"Say what holds: {silent}"
