"""The bot's tables, and how a database is brought up to them. Changes only add."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.schema import CreateColumn

metadata = MetaData()

#: Small things to remember: the sync position, the device and its token.
meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

#: The rooms that a sync has brought at least once, and what was last seen there: what is older is not ours to run.
seen_rooms = Table(
    "seen_rooms", metadata, Column("room_id", String, primary_key=True), Column("event_id", String, nullable=False)
)

inbox = Table(
    "inbox",
    metadata,
    Column("seq", Integer, primary_key=True),  # the order of arrival
    Column("event_id", String, nullable=False, unique=True),
    Column("room_id", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("html", Text),
    Column("thread", String),
    Column("sent_at", DateTime, nullable=False),
    Column("done_at", DateTime),  # empty until it is finished
    Column("reacts_to", String),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True),  # the order of sending
    Column("cause", String, nullable=False, unique=True),
    Column("room_id", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("thread", String),
    Column("edits", String),  # the cause of the row that this one replaces in the room
    Column("state", String, nullable=False),  # see opsbot.store.outbox.State
    Column("tried", Boolean, nullable=False),  # the server may have it: its content is fixed
    Column("event_id", String),  # of the sent event
    Column("reason", Text),  # why the server does not want it
    Column("at", DateTime),  # when it was posted
    Column("told", Boolean),  # that the server does not want it
    Column("receipt", Text),  # what the bridge said last: empty when Slack has it, else the problem
    Column("repeats", Integer, server_default="0"),  # how often it was sent again because of that
    Column("later", Float),  # the Unix time before which it is not sent again
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("host", String, nullable=False),
    Column("project", String, nullable=False),
    Column("target", String, nullable=False),
    Column("person", String, nullable=False),
    Column("room_id", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("thread", String, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("stage", String, nullable=False),
    Column("details", JSON, nullable=False),
    Column("outcome", String),  # empty while the job is open
    Column("ended_at", DateTime),
    sqlite_autoincrement=True,  # a number is never given twice
)

#: A lock is held while its job is open: a job that has ended holds nothing, whatever became of the process.
locks = Table("locks", metadata, Column("host", String, primary_key=True), Column("job_id", String, nullable=False))

#: A person's lock keeps everybody else from deploying; an empty project means the whole host.
people_locks = Table(
    "people_locks",
    metadata,
    Column("host", String, nullable=False),
    Column("project", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("since", DateTime, nullable=False),
    Column("cause", String, nullable=False),
    UniqueConstraint("host", "project"),
)

holds = Table(
    "holds",
    metadata,
    Column("host", String, nullable=False),
    Column("project", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("since", DateTime, nullable=False),
    Column("after", Integer),  # the number of the newest job then: a clock may be wrong
    UniqueConstraint("host", "project"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("person", String, nullable=False),
    Column("account", String, nullable=False),
    Column("room_id", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("what", String, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("kind", String),  # see opsbot.store.audit; empty in lines from before there were kinds
    Column("job_id", String),
    Column("more", Text),  # JSON
    Column("hash", String),  # over the hash of the line before, and this line
    sqlite_autoincrement=True,
)

#: What plugins remember, as JSON; a plugin is named by its file.
plugin_values = Table(
    "plugin_values",
    metadata,
    Column("plugin", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

#: The first word on a request counts; it is bound to what was built, and to what ran.
verdicts = Table(
    "verdicts",
    metadata,
    Column("job_id", String, nullable=False),
    Column("system", String, nullable=False),
    Column("base", String, nullable=False),
    Column("agreed", Boolean, nullable=False),
    Column("person", String, nullable=False),
    Column("account", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("at", DateTime, nullable=False),
    UniqueConstraint("job_id", "system", "base"),
)

#: What other programs have delivered to hooks of plugins.
deliveries = Table(
    "deliveries",
    metadata,
    Column("cause", String, primary_key=True),
    Column("at", DateTime, nullable=False),
)

Index("outbox_queue", outbox.c.state, outbox.c.room_id, outbox.c.seq)
Index("outbox_edits", outbox.c.edits, outbox.c.state)
Index("outbox_event", outbox.c.event_id)
Index("deliveries_at", deliveries.c.at)
Index("audit_job", audit.c.job_id)
Index("inbox_open", inbox.c.done_at, inbox.c.seq)
Index("inbox_sent", inbox.c.sent_at)


_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS audit_stays_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END
"""
_FUNCTION = """
CREATE OR REPLACE FUNCTION opsbot_audit_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is only added to'; END $$
"""
_PROCEDURE = """
CREATE OR REPLACE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION opsbot_audit_stays()
"""
#: What keeps the lines of the audit as they are, by dialect; each may be done again.
_STAYS = {
    "sqlite": tuple(_TRIGGER.format(verb=verb) for verb in ("update", "delete")),
    "postgresql": (_FUNCTION, _PROCEDURE),
}


def prepare(connection: Connection) -> None:
    """Create the tables that are missing, and add the columns and indexes that an older version did not know.

    A column that is added to a table that exists must be allowed to be empty, or have a server default.
    """
    metadata.create_all(connection)
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        known = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                added = CreateColumn(column).compile(dialect=connection.dialect)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {added}"))
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    for statement in _STAYS.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)
