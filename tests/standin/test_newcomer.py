import json
import re
from pathlib import Path
from typing import Any

import pytest

from opsbot.new import write_project
from opsbot.standin import flake, newcomer
from opsbot.standin.errors import NixError
from opsbot.standin.machine import Machine
from opsbot.standin.repositories import Repository
from opsbot.standin.sources import read_project
from tests.pages import TOP, blocks
from tests.standin.test_story import bot, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def tea(tmp_path: Path) -> Path:
    """A project made from the template."""
    return write_project("tea-time", tmp_path)


def pushed(machine: Machine, name: str) -> Repository:
    """Return a project's repository."""
    return Repository(machine.root / f"srv/git/{name}.git")


async def build(machine: Machine, job: str, project: str) -> Any:
    """Build main of a project, as the bot asks for it; return how that ended."""
    host = bot(machine)
    await host.ask("prepare", {"job": job, "project": project, "revision": "main", "note": "A test"})
    return await until(host, job, "prepare", "built", "unchanged", "failed")


async def test_what_is_in_a_folder_is_pushed_as_it_is(machine: Machine, tmp_path: Path) -> None:
    """A push takes what is in the folder: new files come, old ones go, and what .gitignore names stays at home."""
    tea = write_project("tea-one", tmp_path)
    (tea / ".git").mkdir()
    (tea / "src/__pycache__").mkdir()
    (tea / "src/__pycache__/x.pyc").write_bytes(b"\0")

    assert newcomer.push(machine, "tea-one", tea) == "Begin tea-one"
    assert newcomer.push(machine, "tea-one", tea) is None
    (tea / "README.md").unlink()
    (tea / "logo.png").write_bytes(b"\x89PNG\r\n\x00\xff")
    assert newcomer.push(machine, "tea-one", tea) == "Change README.md, logo.png"
    for name in ("a", "b", "c"):
        (tea / name).write_text(name)
    assert newcomer.push(machine, "tea-one", tea) == "Change a, b and 1 more"

    path = str(pushed(machine, "tea-one").path)
    listed = flake.git("-C", path, "ls-tree", "-r", "--name-only", "main").decode().split()
    assert {"a", "b", "c", "logo.png", ".gitignore", "flake.nix", "src/tea_one.py"} < set(listed)
    assert not {"README.md", "src/__pycache__/x.pyc"} & set(listed)
    assert pushed(machine, "tea-one").log()[-1] == "Begin tea-one"


async def test_a_pull_request_of_two_lines_adds_a_project(machine: Machine, tea: Path) -> None:
    """Two lines of flake.nix are added, and the lock has the project's newest commit, with the platform's nixpkgs."""
    platform = machine.repositories.platform
    before = platform.read("flake.nix").splitlines()
    newcomer.push(machine, "tea-time", tea)

    lines = newcomer.request(machine, "tea-time")

    after = platform.read("flake.nix").splitlines()
    assert [line.strip() for line in after if line not in before] == list(lines)
    assert [line for line in after if line in before] == before
    # They are those that the page of the template shows, but for the address.
    page = [block.text.strip() for block in blocks(TOP / "docs/project-template.md", "nix")]
    assert [re.sub(r'"git\+[^"]+"', "", line) for line in lines] == [re.sub(r'"git\+[^"]+"', "", line) for line in page]
    lock = json.loads(platform.read("flake.lock"))
    assert lock["nodes"]["root"]["inputs"]["tea-time"] == "tea-time"
    assert lock["nodes"]["tea-time"]["locked"]["rev"] == pushed(machine, "tea-time").head()
    assert lock["nodes"]["tea-time"]["inputs"] == {"nixpkgs": ["nixpkgs"]}
    assert platform.log()[0] == "Add tea-time"


async def test_a_project_runs_with_the_platform_and_then_alone(machine: Machine, tmp_path: Path) -> None:
    """What runs does not have a new project until the platform is deployed; then its own deploys move it alone."""
    name, tea = "tea-two", write_project("tea-two", tmp_path)
    newcomer.push(machine, name, tea)
    newcomer.request(machine, name)
    newcomer.declare(machine, name, homeserver="http://127.0.0.1:1", token="secret")

    early = await build(machine, "jnew1", name)
    assert early["error"]["message"].endswith("If it is new on the platform: `!deploy platform`.")

    built = await build(machine, "jnew2", "platform")
    assert built["status"] == "built", built
    assert built["pins"][name] == pushed(machine, name).head()
    unit = (Path(built["system"]) / f"etc/systemd/system/{name}.service").read_text()
    assert 'Environment="HOMESERVER=http://127.0.0.1:1"' in unit
    assert f'Environment="CREDENTIALS_DIRECTORY={machine.layout.secrets / name}"' in unit
    assert (machine.layout.secrets / name / "token").read_text() == "secret"


async def test_a_failing_test_of_the_project_is_a_failing_build(machine: Machine, tmp_path: Path) -> None:
    """The build runs the project's own tests, and names the one that failed."""
    name, tea = "tea-three", write_project("tea-three", tmp_path)
    test = tea / "src/test_tea_three.py"
    test.write_text(test.read_text().replace('"Hello, Eve!"', '"Good-bye, Eve!"'))
    newcomer.push(machine, name, tea)
    newcomer.request(machine, name)
    newcomer.declare(machine, name, homeserver="http://127.0.0.1:1", token="secret")

    failed = await build(machine, "jnew3", "platform")

    assert (failed["status"], failed["error"]["code"]) == ("failed", "build")
    assert "test_greets_by_name" in "\n".join(failed["tail"])


@pytest.mark.parametrize("written", ["", "[project]\nname = 'tea'\n", "[project", "project = 1\n"])
async def test_a_package_that_names_no_program_is_told_in_nix_words(tmp_path: Path, written: str) -> None:
    """A pyproject.toml without name, version, description and program cannot be evaluated."""
    (tmp_path / "pyproject.toml").write_text(written)

    with pytest.raises(NixError, match=r"pyproject\.toml"):
        read_project(tmp_path)
