"""What stands in the blocks of the pages works: commands are run or marked, diagrams are drawn, examples are read."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from opsbot import config, plugins
from opsbot.parsing import parse
from opsbot.typed import split
from tests.pages import PAGES, README, TOP, Block, blocks, prose
from tests.test_docs import files_of_the_repository

COMMANDS = plugins.load(plugins.home()).commands

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
TESTED = [page for page in PAGES if any(block.mark == "tested" for block in blocks(page))]


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


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the repository as it is now, after `make` has made its environment."""
    clone = tmp_path / "opsbot"
    for path in files_of_the_repository():
        target = clone / path.relative_to(TOP)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    # An environment whose programs are those that these tests run with.
    programs = clone / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')
    for name, module in (("opsbot", "opsbot"), ("pytest", "pytest")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    (programs / "python3").symlink_to(sys.executable)
    return clone


@pytest.mark.parametrize("page", TESTED, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(clone: Path, page: Path) -> None:
    """Typed one after the other in a clone, the tested commands of a page all end well."""
    lines = [line for block in blocks(page, "sh") if block.mark == "tested" for line in block.text.splitlines()]
    script = "\n".join(["set -eu", *(line for line in lines if line not in HELD_ELSEWHERE)])

    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment = {**kept, "PYTHONPATH": str(clone), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "chat"], ids=str)
def test_what_pages_say_to_the_bot_is_understood(block: Block) -> None:
    """Each line of a block that is said to the bot is a command with arguments that it takes."""
    for line in block.text.splitlines():
        assert line.startswith("!"), line
        name, *words = split(line.removeprefix("!"))
        parse(COMMANDS[name], words, choices={})


def test_pages_name_only_commands_that_there_are() -> None:
    """A word after an exclamation mark, wherever a page writes it as code, is a command or another name of one.

    Decisions also name what was not taken.
    """
    known = {*COMMANDS, *(alias for one in COMMANDS.values() for alias in one.aliases)}
    # The homeserver's own, and what the pages invent.
    others = {"admin", "coffee"}
    guides = [page for page in PAGES if page.parent.name != "decisions"]
    named = {word for page in guides for word in re.findall(r"`!([a-z][a-z-]*)[ `]", prose(page))}
    assert named - known - others == set()


_LABEL = r'(?:"[^"]+"|[^"\[\](){}|<>]+)'
_NODE = rf"[a-z]\w*(?:\[{_LABEL}\]|\[\({_LABEL}\)\]|\({_LABEL}\)|\{{{_LABEL}\}})?"
_EDGE = r'(?:---|-->|-\.->|==>|-- "[^"]+" -->|-\. "[^"]+" \.->)'
_WORDS = r"[^;#\n]+"
_ARROW = r"(?:->>|-->>|-\)|--\))"
#: The forms that our diagrams are made of, each a line. Mermaid draws these; try others there before they come here.
FORMS = {
    "flowchart": (
        r"flowchart (?:LR|TB)",
        rf"{_NODE}(?: {_EDGE} {_NODE})*",
        rf"subgraph [a-z]\w*(?: \[{_WORDS}\])?",
        "end",
    ),
    "sequenceDiagram": (
        "sequenceDiagram",
        rf"participant \w+ as {_WORDS}",
        rf"Note over \w+(?:,\w+)?: {_WORDS}",
        rf"\w+{_ARROW}\w+: {_WORDS}",
    ),
}


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "mermaid"], ids=str)
def test_diagrams_are_of_forms_that_are_drawn(block: Block) -> None:
    """Each line of a diagram has a form that Mermaid draws, what is opened is closed, and no node is called `end`."""
    lines = [line.strip() for line in block.text.splitlines()]
    kind = lines[0].split()[0]

    wrong = [line for line in lines if not any(re.fullmatch(form, line) for form in FORMS[kind])]

    assert not wrong, f"{block}: {wrong}"
    assert sum(line.startswith("subgraph ") for line in lines) == lines.count("end")
    assert not re.search(r"\bend[\[({ ]", block.text)


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "yaml"], ids=str)
def test_what_pages_configure_is_yaml(block: Block) -> None:
    """Each example of YAML is read, and if all its keys are keys of the configuration, it fits into the example."""
    said = yaml.safe_load(block.text.replace("example.org", "clarun.xyz"))
    example = yaml.safe_load((TOP / "config.example.yaml").read_text())
    if not said.keys() <= example.keys() or "plugins" in said:
        return
    merged = {**example, **{key: {**example[key], **value} for key, value in said.items()}}
    assert config.parse(yaml.safe_dump(merged)) is not None
