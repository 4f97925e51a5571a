"""Small things that outlive the process."""

from sqlalchemy import Connection, delete, select, text

from opsbot.store.database import Database
from opsbot.store.schema import meta

#: One statement in place of two, in the words that both kinds of databases know: it is done with every sync.
_PUT = text(
    "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


def put(connection: Connection, key: str, value: str) -> None:
    """Remember a value within a transaction of somebody else's."""
    connection.execute(_PUT, {"key": key, "value": value})


def get(connection: Connection, key: str) -> str | None:
    """Return what was remembered under a key, within a transaction of somebody else's."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def drop(connection: Connection, key: str) -> None:
    """Forget a key, within a transaction of somebody else's."""
    connection.execute(delete(meta).where(meta.c.key == key))


class Memory:
    """Keys and values in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key, or None."""
        return await self._database.read(lambda c: get(c, key))

    async def recall_all(self, prefix: str) -> dict[str, str]:
        """Return all that was remembered under keys that begin with PREFIX, by the rest of the key."""
        query = select(meta.c.key, meta.c.value).where(meta.c.key.startswith(prefix, autoescape=True))
        rows = await self._database.read(lambda c: c.execute(query).all())
        return {key.removeprefix(prefix): value for key, value in rows}

    async def remember(self, key: str, value: str) -> None:
        """Remember a value in place of the former one."""
        await self._database.write(lambda c: put(c, key, value))

    async def forget(self, key: str) -> None:
        """Forget a key, if there is one."""
        await self._database.write(lambda c: drop(c, key))
