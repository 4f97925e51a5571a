"""What is written about opsbot is true."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from opsbot import config, plugins
from opsbot.commands import Command
from tests.pages import PAGES, README, TOP, blocks, prose
from tests.test_floors import BESIDE, FLOORS

COMMANDS = plugins.load(plugins.home()).commands

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

#: Built from pieces, so that this file does not name what it looks for.
_REGISTRIES = "|".join(
    re.escape(".".join(parts)) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "com"))
)
_WORKPLACES = "|".join(f"/{folder}/" for folder in ("wo" + "rk", "ro" + "ot", "Us" + "ers"))


def anchors(page: Path) -> set[str]:
    """Return what can be linked to in a page: its headings, the way Git forges name them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere in this repository."""
    for link in _LINK.findall(prose(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{page.relative_to(TOP)}: {link}"


def files_of_the_repository() -> list[Path]:
    """Return every file that git keeps, or would keep if it were added."""
    argv = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("install git and clone the repository: apt-get install git")
    return [path for name in done.stdout.split("\0") if name and (path := TOP / name).is_file()]


def test_links_lead_somewhere() -> None:
    """Every link from one page to another leads to a page, and to a heading in it."""
    broken = [link for page in PAGES for link in broken_links(page)]
    assert not broken, f"These lead nowhere: {broken}"


def test_every_page_can_be_found() -> None:
    """Every page is linked from README, or from a page that is; the decisions by their folder."""
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in _LINK.findall(page.read_text())
    }
    lost = [str(page.relative_to(TOP)) for page in PAGES if page != README and not linked & {page, page.parent}]
    assert not lost, f"Link these: {lost}"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_every_command_stands_in_its_page(command: Command) -> None:
    """docs/commands.md shows each command as it is typed, with its help, as `!help` does."""
    page = (TOP / "docs" / "commands.md").read_text()
    assert f"\n`!{command.usage}`\n" in page, "Run `make docs`."
    assert command.help in page, "Run `make docs`."


def test_the_page_of_commands_is_the_generated_one() -> None:
    """docs/commands.md is what `opsbot commands --markdown` writes, to the letter."""
    argv = (sys.executable, "-m", "opsbot", "commands", "--markdown")
    written = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True).stdout
    assert (TOP / "docs" / "commands.md").read_text() == written, "Run `make docs`."


def test_readme_begins_with_what_a_newcomer_needs() -> None:
    """README has three sentences, a transcript, the line of packages and the two commands, in this order."""
    text = README.read_text()
    title, introduction, *_ = text.split("\n\n")
    assert title == "# opsbot"
    assert len(re.findall(r"\.(?=\s|$)", introduction)) == 3
    marks = [
        introduction,
        "<!-- transcript -->",
        "<!-- /transcript -->",
        "\napt-get install git make python3-venv\n",
        "\nmake demo\nmake test\n",
    ]
    places = [text.find(mark) for mark in marks]
    assert -1 not in places
    assert places == sorted(places)


def test_the_makefile_has_what_the_pages_name() -> None:
    """Every `make` target that a page names is one of the Makefile's."""
    targets = set(re.findall(r"^([\w./$()-]+):", (TOP / "Makefile").read_text(), re.MULTILINE)) | {".venv/ready"}
    typed = [block.text for page in PAGES for block in blocks(page, "sh")]
    code = [*typed, *(text for page in PAGES for text in re.findall(r"`([^`\n]+)`", prose(page)))]
    named = {target for text in code for target in re.findall(r"^make ([a-z./]\S*)", text, re.MULTILINE)}
    assert named - targets == set()


def test_the_lock_is_of_this_project() -> None:
    """requirements.lock pins everything that pyproject.toml asks for, in a version that it accepts, with hashes."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    lock = (TOP / "requirements.lock").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+).*\\\n    --hash=sha256:", lock, re.MULTILINE))
    stale = [
        line
        for line in wanted
        if (one := Requirement(line)) and not one.specifier.contains(pins.get(one.name.replace("_", "-").lower(), "0"))
    ]
    assert not stale, f"Run `make lock` for these: {stale}"
    assert len(pins) == len(re.findall(r"^\S+==", lock, re.MULTILINE))


def test_the_floors_of_the_page_are_those_of_the_test() -> None:
    """docs/architecture.md names the parts on each floor as tests/test_floors.py has them."""
    page = (TOP / "docs" / "architecture.md").read_text()
    for floor, parts in FLOORS.items():
        row = re.search(rf"^\| {floor} \|.*\| (.+) \|$", page, re.MULTILINE)
        assert row is not None, f"The table has no row for {floor}."
        assert tuple(re.findall(r"`(\w+)`", row[1])) == parts
    assert all(f"`{part}`" in page for part in BESIDE)


def test_the_examples_for_authors_work(tmp_path: Path) -> None:
    """The plugins and their conversations in docs/plugins.md work as they stand there, with a plain `pytest`."""
    for block in blocks(TOP / "docs" / "plugins.md", "python"):
        name, _, code = block.text.removeprefix("# ").partition("\n")
        (tmp_path / name).write_text(code)
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path))
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    loaded = plugins.load(plugins.home(), tmp_path)
    assert (loaded.problems, list(loaded.schedules), list(loaded.hooks)) == ((), ["morning"], ["kettle"])


def test_the_configuration_for_authors_is_one() -> None:
    """The keys in docs/plugins.md are keys of the configuration."""
    (block,) = blocks(TOP / "docs" / "plugins.md", "yaml")
    example = (TOP / "config.example.yaml").read_text().replace("#ops:clarun.xyz", "#ops:example.org")
    kept = re.sub(r"(?m)^(plugins|listen): .*$", "", example)
    assert config.parse(kept + block.text).hooks["kettle"].room == "#ops:example.org"


def test_nothing_names_where_it_was_made() -> None:
    """No file names the host of a package registry, or a path that only its author's machine has."""
    pattern = re.compile(rf"\b({_REGISTRIES})\b|(?<![\w.}}])({_WORKPLACES})")
    found = [
        f"{path.relative_to(TOP)}:{number}: {match[0]}"
        for path in files_of_the_repository()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert not found, f"These belong to a workplace: {found}"
