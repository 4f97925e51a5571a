import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from opsbot.cli import main
from tests.pages import TOP, blocks

TEMPLATE = TOP / "nix/templates/project"
NAMES = ("chochacho-hello-bot", "tea", "web-shop2", "chochacho-hello-bot-two")


def new(name: str, folder: Path) -> int:
    """Run `opsbot new project`."""
    return main(["new", "project", name, "--folder", str(folder)])


@pytest.mark.parametrize("name", NAMES)
def test_a_new_project_passes_its_test_at_once(tmp_path: Path, name: str) -> None:
    """What `opsbot new project NAME` writes passes its tests with Python alone, in a folder of that name."""
    assert new(name, tmp_path) == 0

    argv = (sys.executable, "-B", "-I", "-S", "-W", "error", "-m", "unittest", "discover", "src")
    done = subprocess.run(argv, cwd=tmp_path / name, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Ran 4 tests" in done.stderr


def test_a_new_project_is_the_template_under_another_name(tmp_path: Path) -> None:
    """The template's name is left nowhere, in no file and in no file's name; under its own name it is the template."""
    new("tea-time", tmp_path)
    new("chochacho-hello-bot", tmp_path)

    made = [path for path in (tmp_path / "tea-time").rglob("*") if path.is_file()]
    assert (tmp_path / "tea-time/src/tea_time.py").is_file()
    assert not [path for path in made if "chochacho" in path.name + path.read_text()]
    pristine = tmp_path / "chochacho-hello-bot"
    files = {path.relative_to(pristine): path.read_bytes() for path in pristine.rglob("*") if path.is_file()}
    ours = [path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert files == {path.relative_to(TEMPLATE): path.read_bytes() for path in ours}


def test_its_page_shows_the_line_that_tests_it_and_the_two_that_add_it(tmp_path: Path) -> None:
    """README of a project names the very commands and lines that our own page of the template has."""
    new("tea-time", tmp_path)
    readme = (tmp_path / "tea-time/README.md").read_text()

    ours = {
        line.strip() for block in blocks(TOP / "docs/project-template.md", "nix") for line in block.text.splitlines()
    }
    theirs = {
        line.strip() for block in blocks(tmp_path / "tea-time/README.md", "nix") for line in block.text.splitlines()
    }
    assert len(ours) == 2
    assert theirs == ours
    assert "python3 -m unittest discover src" in readme
    assert "!deploy tea-time\n" in readme


def test_a_new_project_tells_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer names the folder, the line that tests it, and the page that goes on."""
    new("tea", tmp_path)

    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "tea"),
        f"Try it: cd {tmp_path / 'tea'} && python3 -m unittest discover src",
        "Then read README.md there.",
    ]


def test_a_new_project_becomes_a_package_whose_program_starts(tmp_path: Path) -> None:
    """What Nix builds with hatchling is a package: its program, without an address, ends with a sentence."""
    pytest.importorskip("hatchling", reason="install hatchling: make does")
    new("tea-time", tmp_path)
    build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    argv = (sys.executable, "-c", build, str(tmp_path))
    built = subprocess.run(argv, cwd=tmp_path / "tea-time", check=True, capture_output=True, text=True)
    with zipfile.ZipFile(tmp_path / built.stdout.split()[-1]) as wheel:
        wheel.extractall(tmp_path / "site")
    metadata = tomllib.loads((tmp_path / "tea-time/pyproject.toml").read_text())["project"]
    module, _, function = metadata["scripts"]["tea-time"].partition(":")

    run = f"import {module}; {module}.{function}()"
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", run], env=environment, capture_output=True, text=True, check=False)

    assert [path.name for path in (tmp_path / "site").glob("*.py")] == ["tea_time.py"]
    assert done.returncode == 1
    assert done.stderr.startswith("HOMESERVER and CREDENTIALS_DIRECTORY (with the file token) must be set")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "has small letters"),
        ("Tea", "has small letters"),
        ("../tea", "has small letters"),
        ("tea/time", "has small letters"),
        ("tea_time", "has small letters"),
        ("tea--time", "has small letters"),
        ("tea.", "has small letters"),
        ("2tea", "has small letters"),
        ("-tea", "has small letters"),
        ("tee-ü", "has small letters"),
        ("tea\n", "has small letters"),
        ("x" * 33, "32 at most"),
        ("platform", "is a part of the platform"),
        ("nixpkgs", "is a part of the platform"),
        ("nginx", "is a part of the platform"),
        ("class", "means something else already in Python"),
        ("json", "means something else already in Python"),
        ("test-tea", "is taken for a test"),
    ],
)
def test_a_bad_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, sentence: str) -> None:
    """A name that could not be a unit, an input, a module or a word in the room is refused with one sentence."""
    argv = ["new", "project", "--folder", str(tmp_path), "--", name]
    assert main(argv) == 1

    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder in which something lies stays as it is, and so do a file and a link; an empty folder is filled."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "empty").mkdir()

    assert [new(name, tmp_path) for name in ("full", "file", "link")] == [1, 1, 1]
    assert capsys.readouterr().err.count("is there already: take another name, or move it away.") == 3
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        *("empty", "file", "full", "full/mine", "link"),
    ]
    assert new("empty", tmp_path) == 0
    assert (tmp_path / "empty/flake.nix").is_file()


def test_a_folder_that_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder must be there."""
    assert new("tea", tmp_path / "none") == 1

    assert f"There is no folder {tmp_path / 'none'}: make it first." in capsys.readouterr().err


def test_a_folder_that_takes_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be written is told in a sentence."""
    assert new("tea", Path("/proc")) == 1

    assert "/proc/tea cannot be written: " in capsys.readouterr().err


@pytest.mark.parametrize("file", sorted(path.name for path in TEMPLATE.glob("*.nix")))
def test_its_nix_files_parse(tmp_path: Path, file: str) -> None:
    """Nix reads every file of a project, also under another name."""
    if shutil.which("nix-instantiate") is None:
        pytest.skip("install nix-bin: apt-get install nix-bin")
    new("tea-time", tmp_path)

    environment = {**os.environ, "NIX_STATE_DIR": str(tmp_path / "state"), "NIX_STORE_DIR": str(tmp_path / "store")}
    argv = ("nix-instantiate", "--parse", str(tmp_path / "tea-time" / file))
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
