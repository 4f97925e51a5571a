"""What the authors of plugins may rely on, as conversations with plugins of theirs."""

import asyncio
from pathlib import Path

import pytest

from opsbot.plugins import home, load
from opsbot.testing import Bench

COFFEE = '''
"""Coffee for the team."""

from typing import Self

from opsbot import Context, UsageError, command


class Cups(int):
    """How many cups, from one to nine."""

    @classmethod
    def parse(cls, word: str) -> Self:
        """Take a typed word."""
        if word not in "123456789":
            raise UsageError("The pot holds one to nine cups.")
        return cls(word)


@command(needs="member")
async def coffee(ctx: Context, cups: Cups) -> str:
    """Drink CUPS of coffee."""
    drunk = await ctx.storage.update("cups", lambda before: before + cups, 0)
    return f"That makes {drunk}."
'''
TEA = '''
from opsbot import Context, command


@command
async def tea(ctx: Context) -> str:
    """Show what the plugin of tea knows of coffee."""
    return f"{await ctx.storage.items()} {await ctx.storage.get('cups')}"
'''


def plugin(folder: Path, name: str, code: str) -> Path:
    """Write a plugin and return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(code)
    return folder


async def test_a_type_of_ones_own_parses_the_argument(tmp_path: Path) -> None:
    """A class with `parse` is a type of arguments: what it returns arrives, what it raises is the answer."""
    async with Bench.open(tmp_path, plugin(tmp_path / "mine", "coffee.py", COFFEE)) as bench:
        assert await bench.say("member", "!coffee 3") == "That makes 3."
        assert await bench.say("member", "!coffee 10") == "The pot holds one to nine cups.\nUsage: `!coffee CUPS`"


async def test_storage_outlives_the_bot_and_belongs_to_its_plugin(tmp_path: Path) -> None:
    """What a plugin has stored is there after a restart, and no other plugin sees it."""
    folder = plugin(plugin(tmp_path / "mine", "coffee.py", COFFEE), "tea.py", TEA)
    async with Bench.open(tmp_path, folder) as bench:
        await bench.say("member", "!coffee 3")
    async with Bench.open(tmp_path, folder) as bench:
        assert await bench.say("member", "!tea") == "{} None"
        assert await bench.say("member", "!coffee 2") == "That makes 5."


async def test_commands_side_by_side_count_right(tmp_path: Path) -> None:
    """Twenty people who count at the same time are all counted."""
    async with Bench.open(tmp_path, plugin(tmp_path / "mine", "coffee.py", COFFEE)) as bench:
        await asyncio.gather(*(bench.say("member", "!coffee 1") for _ in range(20)))

        assert await bench.say("member", "!coffee 1") == "That makes 21."


async def test_a_plugin_that_does_not_load_is_named_to_admins(tmp_path: Path) -> None:
    """`!help` tells admins, and nobody else, which plugin does not load and why; all other commands work."""
    folder = plugin(plugin(tmp_path / "mine", "coffee.py", COFFEE), "broken.py", "import nothing_like_that")
    async with Bench.open(tmp_path, folder) as bench:
        told = "The plugin broken.py does not load: ModuleNotFoundError: No module named 'nothing_like_that'"
        assert told in await bench.say("admin", "!help")
        assert "broken.py" not in await bench.say("deployer", "!help")
        assert await bench.say("member", "!coffee 3") == "That makes 3."


async def test_a_folder_that_is_missing_is_named_to_admins(tmp_path: Path) -> None:
    """A folder of plugins that is not there stops nothing; `!help` names it to admins."""
    async with Bench.open(tmp_path, tmp_path / "none") as bench:
        assert f"There is no folder {tmp_path / 'none'}; correct `plugins`." in await bench.say("admin", "!help")


def test_two_plugins_cannot_have_one_name(tmp_path: Path) -> None:
    """A plugin with the name of another one does not load, for their storage would be the same."""
    loaded = load(home(), plugin(tmp_path / "mine", "hello.py", COFFEE))

    assert "There is a plugin of this name already" in loaded.problems[0]
    assert "coffee" not in loaded.commands
    assert "hello" in loaded.commands


@pytest.mark.parametrize("name", ["test_coffee.py", "conftest.py", "_shared.py"])
def test_what_lies_beside_a_plugin_is_not_loaded(tmp_path: Path, name: str) -> None:
    """Tests, and files whose name begins with an underscore, are no plugins."""
    loaded = load(plugin(tmp_path / "mine", name, "raise RuntimeError"))

    assert (loaded.problems, len(loaded.commands)) == ((), 0)
