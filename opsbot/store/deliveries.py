"""What other programs have delivered to hooks, so that nothing is delivered twice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from opsbot.model import Post
from opsbot.store.database import Database
from opsbot.store.outbox import insert_posts
from opsbot.store.schema import deliveries

#: How long a delivery is remembered; no sender tries again after so long.
REMEMBERED = timedelta(days=30)


class Deliveries:
    """The deliveries that were seen through; implements the port `Deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, cause: str) -> bool:
        """Say whether a delivery was seen through before."""
        return await self._database.read(lambda c: _known(c, cause))

    async def finish(self, cause: str, posts: Sequence[Post]) -> None:
        """Note that a delivery was seen through, together with what was said, in one transaction; only once."""
        # SQLite keeps no zone: all times in the tables are UTC.
        now = datetime.now(UTC).replace(tzinfo=None)

        def change(connection: Connection) -> None:
            if not _known(connection, cause):
                connection.execute(delete(deliveries).where(deliveries.c.at < now - REMEMBERED))
                connection.execute(insert(deliveries).values(cause=cause, at=now))
                insert_posts(connection, posts)

        await self._database.write(change)


def _known(connection: Connection, cause: str) -> bool:
    query = select(deliveries.c.cause).where(deliveries.c.cause == cause)
    return connection.execute(query).scalar_one_or_none() is not None
