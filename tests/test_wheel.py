import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_an_installed_wheel_finds_its_commands_and_unit_files(tmp_path: Path) -> None:
    """The commands, the host's unit files and the templates are found from an installed wheel as from a checkout."""
    pytest.importorskip("hatchling", reason="install hatchling: make does")
    build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    name = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    with zipfile.ZipFile(tmp_path / name) as wheel:
        wheel.extractall(tmp_path / "site")

    run = [sys.executable, "-P", "-m", "opsbot", "commands"]
    listed = subprocess.run(
        run, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, check=True, capture_output=True, text=True
    ).stdout

    new = [sys.executable, "-P", "-m", "opsbot", "new", "plugin", "tea"]
    subprocess.run(new, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, check=True, stdout=subprocess.DEVNULL)

    project = [sys.executable, "-P", "-m", "opsbot", "new", "project", "tea-time"]
    subprocess.run(
        project, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}, check=True, stdout=subprocess.DEVNULL
    )
    template = ROOT / "nix/templates/project"
    files = {path.relative_to(template) for path in template.rglob("*") if "__pycache__" not in path.parts}
    made = {path.relative_to(tmp_path / "tea-time") for path in (tmp_path / "tea-time").rglob("*")}

    assert "deploy PROJECT [REVISION]" in listed
    assert len(made) == len(files)
    assert {Path(".gitignore"), Path("flake.nix"), Path("src/tea_time.py")} < made
    assert "async def tea(" in (tmp_path / "tea.py").read_text()
    assert sorted(path.name for path in (tmp_path / "site/opsbot/_units").glob("*.service")) == sorted(
        path.name for path in (ROOT / "nix/units").glob("*.service")
    )
