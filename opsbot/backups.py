"""`opsbot backup` and `opsbot restore`, and what the bot says when it finds itself restored."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from opsbot.config import Config
from opsbot.connect import database_place
from opsbot.credentials import Credentials
from opsbot.errors import ConfigError
from opsbot.model import Post
from opsbot.render.restored import headline, restored_words
from opsbot.store.address import Place, is_sqlite
from opsbot.store.backup import back_up, put_back
from opsbot.store.database import Database
from opsbot.store.lead import lead_of
from opsbot.store.restored import Restored, settle


def backup(config: Config, environ: Mapping[str, str], to: Path) -> str:
    """Copy the bot's database into a file, while the bot runs or not; return what was done. Raises ConfigError."""
    file = _file(database_place(config, Credentials.of(environ, config.credentials)))
    back_up(file, to, now=datetime.now(UTC))
    return f"{to} is a copy of {file}. It may hold an access token: only its owner can read it."


def restore(config: Config, environ: Mapping[str, str], backup: Path) -> str:
    """Put a copy in the place of the bot's database; return what was done. Raises ConfigError while a bot runs."""
    where = database_place(config, Credentials.of(environ, config.credentials))
    file, lead = _file(where), lead_of(where)
    try:
        try:
            lead.take()
        except ConfigError as error:
            raise ConfigError(f"{error} Stop it first.") from None
        aside = put_back(backup, file, now=datetime.now(UTC))
    finally:
        lead.close()
    kept = f" The former one is {aside}." if aside else ""
    return f"{file} is what {backup} was.{kept} Start the bot: it tells its rooms."


def _file(where: Place) -> Path:
    if not is_sqlite(where):
        raise ConfigError("For PostgreSQL there are pg_dump and pg_restore; docs/deployment.md has the commands.")
    return Path(where.database or "")


async def settle_down(database: Database, config: Config) -> None:
    """Tell the rooms, once, if the database is a copy that was put in place of another one."""
    now = datetime.now(UTC)
    await settle(database, now=now, headline=headline, words=partial(_posts, config=config))


def _posts(found: Restored, *, config: Config) -> Sequence[Post]:
    def words(room_id: str) -> Post:
        text = restored_words(
            [job for job in found.jobs if job.room_id == room_id],
            backed_up_at=found.backed_up_at,
            restored_at=found.restored_at,
            prefix=config.prefix,
            zone=config.zone_of([room_id]),
        )
        return Post(cause=f"restored:{found.restored_at.isoformat()}:{room_id}", room_id=room_id, text=text)

    return [words(room_id) for room_id in found.rooms]
