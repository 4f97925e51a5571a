"""What plugins remember: JSON values by keys, each plugin's in a namespace of its own."""

import json
from collections.abc import Callable

from sqlalchemy import Connection, delete, func, insert, select, update

from opsbot.errors import StorageError
from opsbot.model import Json
from opsbot.store.database import Database
from opsbot.store.schema import plugin_values

#: Characters of the longest key.
LONGEST_KEY = 200
#: Bytes of the largest value, as JSON.
LARGEST = 64 * 1024
#: Keys that one plugin may have.
MOST = 10_000

_TABLE = plugin_values.c


class PluginStorage:
    """The values of one plugin; implements the port `Storage`."""

    def __init__(self, database: Database, plugin: str) -> None:
        self._database = database
        self._plugin = plugin

    async def get(self, key: str, default: Json = None) -> Json:
        """Return the value of KEY; DEFAULT when there is none."""
        return await self._database.read(lambda c: self._get(c, _checked(key), default))

    async def items(self, prefix: str = "") -> dict[str, Json]:
        """Return the values of all keys that begin with PREFIX, in the order of the keys."""
        mine = _TABLE.key.startswith(prefix, autoescape=True) & (_TABLE.plugin == self._plugin)
        query = select(_TABLE.key, _TABLE.value).where(mine)
        rows = await self._database.read(lambda c: c.execute(query).all())
        # SQLite takes "Ab" and "ab" for the same beginning, and PostgreSQL sorts as its language does.
        return {key: json.loads(value) for key, value in sorted(rows) if key.startswith(prefix)}

    async def set(self, key: str, value: Json) -> None:
        """Store VALUE under KEY, in place of the former one. Raises StorageError when one of them is too large."""
        written = _written(value)
        await self._database.write(lambda c: self._set(c, _checked(key), written))

    async def delete(self, key: str) -> bool:
        """Forget KEY; False when there was none."""
        gone = delete(plugin_values).where(_TABLE.plugin == self._plugin, _TABLE.key == _checked(key))
        return await self._database.write(lambda c: c.execute(gone).rowcount == 1)

    async def update(self, key: str, change: Callable[[Json], Json], default: Json = None) -> Json:
        """Replace the value of KEY by what CHANGE makes of it, and return that; nobody else writes in between.

        What CHANGE raises is raised here, and the value stays as it was.
        """

        def replace(connection: Connection) -> Json:
            value = change(self._get(connection, _checked(key), default))
            self._set(connection, key, _written(value))
            return value

        return await self._database.write(replace)

    def _get(self, connection: Connection, key: str, default: Json) -> Json:
        found = select(_TABLE.value).where(_TABLE.plugin == self._plugin, _TABLE.key == key)
        value = connection.execute(found).scalar_one_or_none()
        return default if value is None else json.loads(value)

    def _set(self, connection: Connection, key: str, value: str) -> None:
        known = update(plugin_values).where(_TABLE.plugin == self._plugin, _TABLE.key == key)
        if connection.execute(known.values(value=value)).rowcount:
            return
        count = select(func.count()).select_from(plugin_values).where(_TABLE.plugin == self._plugin)
        if connection.execute(count).scalar_one() >= MOST:
            raise StorageError(f"The plugin {self._plugin} has {MOST:,} keys, and no room for more: delete some.")
        connection.execute(insert(plugin_values).values(plugin=self._plugin, key=key, value=value))


def _checked(key: str) -> str:
    if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise StorageError(f"A key of the storage has 1 to {LONGEST_KEY} characters that can be printed.")
    return key


def _written(value: Json) -> str:
    try:
        written = json.dumps(value, allow_nan=False)
        same = json.loads(written) == value
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        # Whoever wrote the plugin must see where; people in the room could do nothing about it.
        raise TypeError("Storage takes JSON: text, numbers, true, false, None, lists, and dicts whose keys are text.")
    if len(written) > LARGEST:
        raise StorageError(f"That is too much for one key of the storage: {LARGEST // 1024} KiB are the most.")
    return written
