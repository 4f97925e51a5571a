"""What the bridge remembers, in its database: losing that means new rooms and a new login."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from opsbot.mautrix.model import Json, Login

_TABLES = """
CREATE TABLE IF NOT EXISTS login (id TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS portal (channel TEXT PRIMARY KEY, room TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS message (event TEXT PRIMARY KEY, channel TEXT NOT NULL, ts TEXT NOT NULL, thread TEXT);
CREATE TABLE IF NOT EXISTS reaction (event TEXT PRIMARY KEY, channel TEXT, ts TEXT, user TEXT, name TEXT);
CREATE TABLE IF NOT EXISTS puppet (account TEXT PRIMARY KEY, token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ghost (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS taken (txn TEXT PRIMARY KEY);
"""


class Memory:
    """The database."""

    def __init__(self, file: Path) -> None:
        self._base = sqlite3.connect(file, isolation_level=None)
        self._base.executescript(_TABLES)

    def close(self) -> None:
        """Close it."""
        self._base.close()

    def logins(self) -> list[Login]:
        """Return every login."""
        return [Login(**json.loads(row[0])) for row in self._base.execute("SELECT content FROM login")]

    def keep_login(self, login: Login) -> None:
        """Remember a login, in place of the former one."""
        self._base.execute("INSERT OR REPLACE INTO login VALUES (?, ?)", (login.id, json.dumps(vars(login))))

    def drop_login(self, name: str) -> None:
        """Forget a login."""
        self._base.execute("DELETE FROM login WHERE id = ?", (name,))

    def keep_puppet(self, account: str, token: str) -> None:
        """Remember the token with which an account is to be used."""
        self._base.execute("INSERT OR REPLACE INTO puppet VALUES (?, ?)", (account, token))

    def puppet_of(self, team: str, user: str) -> tuple[str, str] | None:
        """Return the account, and its token, with which a member of Slack is to be shown."""
        owner = next((login.owner for login in self.logins() if (login.team, login.user) == (team, user)), "")
        token = self._one("SELECT token FROM puppet WHERE account = ?", owner)
        return None if token is None else (owner, token)

    def room_of(self, channel: str) -> str | None:
        """Return the room of a channel, or of the workspace."""
        return self._one("SELECT room FROM portal WHERE channel = ?", channel)

    def channel_of(self, room: str) -> str | None:
        """Return the channel of a room."""
        return self._one("SELECT channel FROM portal WHERE room = ?", room)

    def keep_portal(self, channel: str, room: str) -> None:
        """Remember the room of a channel."""
        self._base.execute("INSERT INTO portal VALUES (?, ?)", (channel, room))

    def keep_message(self, event: str, channel: str, ts: str, thread: str | None) -> None:
        """Remember which event and which message are the same."""
        self._base.execute("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?)", (event, channel, ts, thread))

    def event_of(self, channel: str, ts: str) -> str | None:
        """Return the event of a message."""
        return self._one("SELECT event FROM message WHERE channel = ? AND ts = ? ORDER BY rowid LIMIT 1", channel, ts)

    def message_of(self, event: str) -> tuple[str, str | None] | None:
        """Return the time stamp of an event's message, and that of its thread."""
        row = self._base.execute("SELECT ts, thread FROM message WHERE event = ?", (event,)).fetchone()
        return row if row is None else (row[0], row[1])

    def last_in(self, channel: str) -> str | None:
        """Return the last message that was bridged in a channel."""
        return self._one("SELECT max(ts) FROM message WHERE channel = ?", channel)

    def keep_reaction(self, event: str, channel: str, ts: str, user: str, name: str) -> None:
        """Remember a reaction."""
        self._base.execute("INSERT OR REPLACE INTO reaction VALUES (?, ?, ?, ?, ?)", (event, channel, ts, user, name))

    def reaction_event(self, channel: str, ts: str, user: str, name: str) -> str | None:
        """Return the event of somebody's reaction to a message."""
        where = "channel = ? AND ts = ? AND user = ? AND name = ?"
        return self._one(f"SELECT event FROM reaction WHERE {where}", channel, ts, user, name)  # noqa: S608 - a constant

    def reaction_of(self, event: str) -> tuple[str, str] | None:
        """Return the message and the name of an event's reaction."""
        row = self._base.execute("SELECT ts, name FROM reaction WHERE event = ?", (event,)).fetchone()
        return row if row is None else (row[0], row[1])

    def is_new(self, table: str, key: str) -> bool:
        """Tell whether a ghost or a transaction is seen for the first time, and remember it."""
        assert table in ("ghost", "taken")  # noqa: S101 - a name of ours
        return self._base.execute(f"INSERT OR IGNORE INTO {table} VALUES (?)", (key,)).rowcount == 1  # noqa: S608 - as above

    def channels(self) -> Iterator[tuple[str, str]]:
        """Yield each channel with its room."""
        yield from self._base.execute("SELECT channel, room FROM portal").fetchall()

    def _one(self, query: str, *values: Json) -> str | None:
        row = self._base.execute(query, values).fetchone()
        return None if row is None else row[0]
