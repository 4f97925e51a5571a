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
from tests.pages import PAGES, TOP, Block, blocks
from tests.test_docs import ALL, HELD_ELSEWHERE, files_of_the_repository

COMMANDS = plugins.load(plugins.home()).commands

TESTED = [page for page in PAGES if any(block.mark == "tested" for block in blocks(page))]


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
