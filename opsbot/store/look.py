"""What `opsbot check` wants to know of a database, without changing anything in it."""

import os
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from opsbot.errors import ConfigError
from opsbot.store.address import Place, connect
from opsbot.store.lead import words

_ASK = text(
    "SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,"
    " current_user AS me, current_database() AS name,"
    " has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege('public', 'CREATE') AS may"
)
#: How a file of SQLite begins.
_SQLITE = b"SQLite format 3\0"


def look(where: Place) -> str:
    """Return the sentence about a PostgreSQL that the bot can use. Raises ConfigError with what to do about any other.

    It waits for the database; it wants a thread.
    """
    engine = connect(where, pooled=False)
    try:
        with engine.connect() as connection:
            found = connection.execute(_ASK).one()
    except DBAPIError as error:
        raise ConfigError(f"it cannot be reached: {words(error)}") from None
    finally:
        engine.dispose()
    if found.encoding != "UTF8":
        raise ConfigError(f"its encoding is {found.encoding}; make one with createdb --encoding=UTF8.")
    if not found.may:
        raise ConfigError(f"{found.me} may make no tables there: ALTER DATABASE {found.name} OWNER TO {found.me}.")
    return f"PostgreSQL {found.version} lets {found.me} make its tables in {found.name}."


def look_at_file(file: Path) -> str:
    """Return the sentence about a file of SQLite that the bot can use. Raises ConfigError with what to do otherwise."""
    place = file if file.exists() else file.parent
    if not file.parent.is_dir():
        raise ConfigError(f"there is no folder {file.parent}; make it, owned by the bot's user.")
    if not (os.access(place, os.W_OK) and os.access(file.parent, os.W_OK)):
        raise ConfigError(f"{place} cannot be written; let the bot's user own it.")
    if file.exists() and not _is_ours(file):
        raise ConfigError(f"{file} is no database of SQLite; name another file, or restore a backup.")
    return f"{file} can be written."


def _is_ours(file: Path) -> bool:
    """Tell whether a file is one of SQLite's; an empty one becomes one."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_SQLITE)) in (b"", _SQLITE)
