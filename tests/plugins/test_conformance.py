"""What every command must keep, ours like anyone's."""

import ast
import sys
from pathlib import Path

import pytest

from opsbot.model import Level
from opsbot.plugins import home, load
from opsbot.testing import Bench

COMMANDS = load(home()).commands


@pytest.mark.parametrize("name", COMMANDS)
async def test_every_command_has_help(bench: Bench, name: str) -> None:
    """`!help COMMAND` shows the usage line and the first sentence of the help."""
    answer = await bench.say("member", f"!help {name}")

    assert f"Usage: !{COMMANDS[name].usage}" in answer
    assert COMMANDS[name].summary in answer


@pytest.mark.parametrize("name", COMMANDS)
async def test_nonsense_gets_the_usage_line(bench: Bench, name: str) -> None:
    """Wrong arguments get the one thing that is wrong, and the usage line."""
    answer = await bench.say("admin", f"!{name} --no-such-option x y z")

    assert "has no option" in answer
    assert f"Usage: `!{name}" in answer


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if one.needs > Level.STRANGER])
async def test_strangers_are_refused_with_the_reason(bench: Bench, name: str) -> None:
    """Unknown people may say hello and ask for help, no more."""
    words = {
        "deploy": "hello-bot",
        "cancel": "1",
        "publish": "1",
        "deny": "1",
        "audit": "1",
        "logs": "nginx",
        "restart": "nginx",
        "why": "deploy x",
    }.get(name, "")

    answer = await bench.say("@mallory:example.org", f"!{name} {words}")

    assert answer.startswith(f"No: this needs the level {COMMANDS[name].needs}")
    assert bench.host.asked == []


@pytest.mark.parametrize("path", sorted(home().glob("*.py")), ids=lambda path: path.name)
def test_plugins_import_only_opsbot(path: Path) -> None:
    """A plugin imports opsbot and the standard library's types, nothing of the edges."""
    edges = ("opsbot.matrix", "opsbot.ssh", "opsbot.store", "opsbot.web", "opsbot.forge", "opsbot.durable")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.module.split(".")[0] in {"opsbot", *sys.stdlib_module_names}
            assert not node.module.startswith(edges)
