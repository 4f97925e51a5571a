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

#: What a block may be in. `chat` is said to the bot, `demo` typed at the demo's prompt (by tests/real/test_project.py).
LANGUAGES = {"sh", "chat", "demo", "python", "nix", "yaml", "json", "ini", "nginx", "mermaid", "text"}
#: Lines of tested blocks that are run elsewhere: the file that holds them, and its words for it.
HELD_ELSEWHERE = {
    "apt-get install git make python3-venv": (".ci/run", "git make python3 python3-venv # what README names"),
    # Too long for every run; the short campaign is the same program.
    "make faults FAULTS=200": ("Makefile", "python -m tests.faults $(if $(FAULTS),--faults $(FAULTS))"),
    "make demo": ("tests/real/test_project.py", '"-m", "opsbot", "demo"'),
    "make test": (".ci/run", "step make test "),
}
ALL = [block for page in PAGES for block in blocks(page)]

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


def test_every_block_of_commands_says_how_it_is_held() -> None:
    """A block of commands is `sh tested` and run by a test, or `sh platform` and needs a real one; no third way."""
    transcripts = {README: "<!-- transcript -->\n```\n"}
    strange = [
        f"{block} ```{block.language} {block.mark}".rstrip()
        for block in ALL
        if (block.language not in LANGUAGES and not (block.language == "" and block.page in transcripts))
        or (block.language == "sh") != (block.mark in {"tested", "platform"})
        or (block.language != "sh" and block.mark)
    ]
    assert not strange, f"Write ```sh tested, ```sh platform, or one of {sorted(LANGUAGES)}: {strange}"
    assert [len([b for b in blocks(page) if not b.language]) for page in transcripts] == [1]
    assert all(begin in page.read_text() for page, begin in transcripts.items())


def test_what_is_held_elsewhere_is() -> None:
    """What a page's test leaves to another one is there, in the words that this table has."""
    for file, words in HELD_ELSEWHERE.values():
        assert words in (TOP / file).read_text(), f"{file} has no {words}"
    written = {line for block in ALL if block.mark == "tested" for line in block.text.splitlines()}
    assert HELD_ELSEWHERE.keys() <= written, "Take out of the table what no page says any more."


def test_pages_name_only_commands_that_there_are() -> None:
    """A word after an exclamation mark, wherever a page writes it as code, is a command or another name of one.

    Decisions also name what was not taken.
    """
    known = {*COMMANDS, *(alias for one in COMMANDS.values() for alias in one.aliases)}
    # The homeserver's own, the bridge's own, and what the pages invent.
    others = {"admin", "slack", "coffee"}
    guides = [page for page in PAGES if page.parent.name != "decisions"]
    named = {word for page in guides for word in re.findall(r"`!([a-z][a-z-]*)[ `]", prose(page))}
    assert named - known - others == set()


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
