import asyncio
from typing import Any

import pytest

from opsbot.errors import StorageError, UsageError
from opsbot.store import storage as limits
from opsbot.store.database import Database
from opsbot.store.schema import plugin_values
from opsbot.store.storage import PluginStorage


@pytest.fixture
def storage(database: Database) -> PluginStorage:
    """What the plugin coffee remembers: nothing yet."""
    return PluginStorage(database, "coffee")


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True]}, "ümläut \0 \ud800", [], 0, False])
async def test_a_value_comes_back_as_it_was(storage: PluginStorage, database: Database, value: Any) -> None:
    """A JSON value is the same when it comes back, also to the next process."""
    await storage.set("key", "before")
    await storage.set("key", value)

    assert await PluginStorage(database, "coffee").get("key") == value


async def test_what_is_not_there_is_the_default(storage: PluginStorage) -> None:
    """A key without a value gives the default; deleting says whether there was one."""
    assert await storage.get("cups") is None
    assert await storage.get("cups", 0) == 0
    await storage.set("cups", 3)
    assert await storage.delete("cups")
    assert not await storage.delete("cups")
    assert await storage.get("cups", 0) == 0


async def test_no_plugin_sees_what_another_one_remembers(storage: PluginStorage, database: Database) -> None:
    """Two plugins may have the same key; each reads, lists and deletes its own."""
    other = PluginStorage(database, "tea")
    await storage.set("cups", 3)
    await other.set("cups", 1)
    await other.set("pots", 1)

    assert await other.delete("cups")
    assert await storage.items() == {"cups": 3}
    assert await other.items() == {"pots": 1}


async def test_keys_are_listed_by_their_beginning(storage: PluginStorage) -> None:
    """A prefix is taken to the letter: capitals, % and _ mean themselves."""
    for key in ("a_2", "a_1", "A_3", "ab", "%"):
        await storage.set(key, key)

    assert await storage.items("a_") == {"a_1": "a_1", "a_2": "a_2"}
    assert list(await storage.items()) == ["%", "A_3", "a_1", "a_2", "ab"]
    assert list(await storage.items("%")) == ["%"]


async def test_updates_side_by_side_lose_nothing(storage: PluginStorage) -> None:
    """A hundred updates at the same time count to a hundred."""
    await asyncio.gather(*(storage.update("cups", lambda cups: cups + 1, 0) for _ in range(100)))

    assert await storage.get("cups") == 100


async def test_an_update_that_fails_changes_nothing(storage: PluginStorage) -> None:
    """What the change raises reaches whoever asked for it, and the value stays."""

    def refuse(value: Any) -> Any:
        raise UsageError(f"There are {value} already.")

    await storage.set("cups", 9)
    with pytest.raises(UsageError, match="There are 9 already"):
        await storage.update("cups", refuse)
    with pytest.raises(StorageError, match="64 KiB are the most"):
        await storage.update("cups", lambda _: "x" * limits.LARGEST)

    assert await storage.get("cups") == 9


@pytest.mark.parametrize("key", ["", "x" * (limits.LONGEST_KEY + 1), "a\nb", "\0", "\ud800", "\u202eabc"])
async def test_a_key_must_be_short_and_readable(storage: PluginStorage, key: str) -> None:
    """A key that is empty, too long or cannot be printed is refused with one sentence, whatever is done with it."""
    sentence = "A key of the storage has 1 to 200 characters that can be printed."
    for work in (
        lambda: storage.get(key),
        lambda: storage.set(key, 1),
        lambda: storage.delete(key),
        lambda: storage.update(key, str),
    ):
        with pytest.raises(StorageError, match=sentence):
            await work()


async def test_a_value_must_not_be_too_large(storage: PluginStorage) -> None:
    """64 KiB of JSON are taken, a byte more is refused with one sentence."""
    await storage.set("key", "x" * (limits.LARGEST - 2))
    with pytest.raises(StorageError, match="That is too much for one key of the storage: 64 KiB are the most"):
        await storage.set("key", "x" * (limits.LARGEST - 1))

    assert len(await storage.get("key")) == limits.LARGEST - 2


async def test_a_plugin_cannot_fill_the_database(storage: PluginStorage, database: Database) -> None:
    """A plugin that has all the keys it may have can change them, and add no other; its neighbours can."""
    rows = [{"plugin": "coffee", "key": f"k{n}", "value": "1"} for n in range(limits.MOST)]
    await database.write(lambda c: c.execute(plugin_values.insert(), rows))

    await storage.set("k0", 2)
    with pytest.raises(StorageError, match="The plugin coffee has 10,000 keys, and no room for more"):
        await storage.set("one more", 1)

    await PluginStorage(database, "tea").set("one more", 1)
    await storage.delete("k1")
    await storage.set("one more", 1)


@pytest.mark.parametrize("value", [{1: "a"}, (1, 2), {1, 2}, float("nan"), b"x", object()])
async def test_only_json_is_stored(storage: PluginStorage, value: Any) -> None:
    """What would come back as something else is refused when it is stored, not noticed when it is read."""
    with pytest.raises(TypeError, match="Storage takes JSON"):
        await storage.set("key", value)

    assert await storage.items() == {}
