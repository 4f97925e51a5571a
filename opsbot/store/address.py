"""Where a database is: SQLAlchemy's URLs, and what must hold for each kind."""

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from opsbot.errors import ConfigError
from opsbot.store import sqlite

#: Seconds in which PostgreSQL must have answered a connection.
CONNECT = 5
#: A link that is silently gone is given up after these; see opsbot.store.lead for what they must agree with.
LINK = {
    "connect_timeout": CONNECT,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
    "client_encoding": "utf8",
    "application_name": "opsbot",
}


#: Where a database is, with its password; its words hide that.
Place = URL


def place(database: str, password: str | None = None) -> Place:
    """Return where the DATABASE is that the configuration names, with the PASSWORD that is not in there.

    Raises ConfigError when it is no address.
    """
    try:
        url = make_url(database if database.isprintable() else "")
    except (ArgumentError, ValueError):
        raise ConfigError("`database` is no address, like postgresql://opsbot@db.example.org:5432/opsbot.") from None
    if url.get_backend_name() == "sqlite":
        return url
    url = url.set(drivername="postgresql+psycopg")
    return url if password is None else url.set(password=password)


def is_sqlite(url: URL) -> bool:
    """Tell whether a database is a file of SQLite."""
    return url.get_backend_name() == "sqlite"


def connect(url: URL, *, pooled: bool = True) -> Engine:
    """Return what connects to a database; unless POOLED, a connection that is closed is gone."""
    if is_sqlite(url):
        return sqlite.connect(url)
    given = {key: value for key, value in LINK.items() if key not in url.query}
    if not pooled:
        return create_engine(url, connect_args=given, poolclass=NullPool)
    return create_engine(url, connect_args=given, pool_size=5, max_overflow=20)
