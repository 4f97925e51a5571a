"""What `opsbot check` wants to know of a database, without changing anything in it."""

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
