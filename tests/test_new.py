import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsbot.cli import main
from opsbot.plugins import home, load

ROOT = Path(__file__).parents[1]
NAMES = ("coffee", "team-coffee", "coffee2", "team_tea")


def new(name: str, folder: Path) -> int:
    """Run `opsbot new plugin`."""
    return main(["new", "plugin", name, "--folder", str(folder)])


def test_a_new_plugin_passes_its_test_at_once(tmp_path: Path) -> None:
    """What `opsbot new plugin NAME` writes loads, and its tests pass with a plain `pytest`, also beside others."""
    for name in NAMES:
        assert new(name, tmp_path) == 0

    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path))
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{3 * len(NAMES)} passed" in done.stdout

    loaded = load(home(), tmp_path)
    assert loaded.problems == ()
    assert {"coffee", "team-coffee", "coffee2", "team-tea"} < loaded.commands.keys()
    assert set(loaded.hooks) == {"coffee-call", "team-coffee-call", "coffee2-call", "team-tea-call"}


@pytest.mark.parametrize("tool", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy", "--strict")])
def test_a_new_plugin_keeps_the_house_rules(tmp_path: Path, tool: tuple[str, ...]) -> None:
    """What is written is in order by the same rules as our own code."""
    new("team-coffee", tmp_path)
    program = Path(sys.executable).with_name(tool[0])
    if not program.exists():
        pytest.skip("install the linters: make does")
    argv = (program, *tool[1:], "--config-file" if tool[0] == "mypy" else "--config", str(ROOT / "pyproject.toml"))
    more = ("--config", "lint.ignore = ['S101', 'PLR2004', 'INP001', 'COM812']") if "check" in tool[1:2] else ()
    files = [str(path) for path in tmp_path.glob("*.py")]
    done = subprocess.run((*argv, *more, *files), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_plugin_does_by_itself_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`opsbot commands FOLDER` lists schedules with their times and hooks with their places, below the commands."""
    new("coffee", tmp_path)
    capsys.readouterr()

    assert main(["commands", str(tmp_path)]) == 0

    assert capsys.readouterr().out.splitlines()[-2:] == [
        "coffee-morning  at 0 9 * * mon-fri  Say how far the team has counted, if it has.",
        "coffee-call  at /hooks/coffee-call  Say what another program tells.",
    ]


@pytest.mark.parametrize("there", ["coffee.py", "test_coffee.py"])
def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str) -> None:
    """A file that is there stays as it is, and nothing is written beside it."""
    (tmp_path / there).write_text("mine")

    assert new("coffee", tmp_path) == 1

    assert "is there already: take another name, or move it away." in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "has small letters"),
        ("Coffee", "has small letters"),
        ("../coffee", "has small letters"),
        ("coffee.py", "has small letters"),
        ("2coffee", "has small letters"),
        ("coffee-", "has small letters"),
        ("kaffee-ü", "has small letters"),
        ("x" * 41, "40 at most"),
        ("class", "means something else already"),
        ("json", "means something else already"),
        ("slack", "means something else already"),
        ("hook", "means something else already"),
        ("test-coffee", "is taken for a test"),
        ("deploy", "has a command or a plugin deploy already"),
        ("undo", "has a command or a plugin undo already"),
        ("units", "has a command or a plugin units already"),
    ],
)
def test_a_bad_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, sentence: str) -> None:
    """A name that could not be loaded, said or imported is refused with one sentence, and nothing is written."""
    assert new(name, tmp_path) == 1

    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder must be there."""
    assert new("coffee", tmp_path / "none") == 1

    assert f"There is no folder {tmp_path / 'none'}: make it first." in capsys.readouterr().err
