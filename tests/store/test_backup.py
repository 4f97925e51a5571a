import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from opsbot.model import Job, Post, Text
from opsbot.store.address import Place, place
from opsbot.store.audit import Audit
from opsbot.store.backup import BackupError, back_up, backed_up_at, put_back
from opsbot.store.database import Database
from opsbot.store.inbox import Inbox
from opsbot.store.ledger import Ledger
from opsbot.store.memory import Memory, put
from opsbot.store.outbox import Outbox
from opsbot.store.restored import BACKED_UP, RESTORED, Restored, restored_at, settle
from tests.postgres import PASSWORD, Postgres
from tests.store.conftest import leading
from tests.store.test_inbox import NOON, ROOM, job, message
from tests.store.test_outbox import bodies, post

MANUAL = Path(__file__).parents[2] / "docs/deployment.md"
LATER = NOON + timedelta(days=1)
RETURN = NOON + timedelta(days=2)


def names(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {one.name for one in folder.iterdir()}


def integrity(file: Path) -> str:
    """Return what SQLite thinks of a file."""
    with closing(sqlite3.connect(file)) as opened:
        found: str = opened.execute("PRAGMA integrity_check").fetchone()[0]
        return found


async def test_a_backup_is_made_while_the_bot_writes(tmp_path: Path) -> None:
    """A copy is one state of the database, whole and sound, though the bot goes on writing meanwhile."""
    file, copy = tmp_path / "opsbot.db", tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    database = Database(f"sqlite:///{file}")
    memory = Memory(database)

    def both(connection: Connection, value: str) -> None:
        put(connection, "one", value)
        put(connection, "two", value)

    async def count() -> None:
        for number in range(300):
            await database.write(partial(both, value=str(number)))

    await memory.remember("large", "x" * 3_000_000)
    writing = asyncio.create_task(count())
    for _ in range(5):
        await asyncio.to_thread(back_up, file, copy, now=NOON)
        copied = Database(f"sqlite:///{copy}")
        assert await Memory(copied).recall("one") == await Memory(copied).recall("two")
        await copied.close()
    await writing
    await database.close()
    assert integrity(copy) == "ok"
    assert backed_up_at(copy) == NOON
    assert backed_up_at(file) is None


async def test_a_backup_is_for_its_owner_alone_and_one_file(tmp_path: Path) -> None:
    """A copy may hold a token: nobody else may read it; it is one file, and nothing else is left beside it."""
    file, copy = tmp_path / "opsbot.db", tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    await Database(f"sqlite:///{file}").close()
    before = os.umask(0)
    try:
        back_up(file, copy, now=NOON)
        back_up(file, copy, now=LATER)
    finally:
        os.umask(before)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert backed_up_at(copy) == LATER
    assert names(copy.parent) == {copy.name}


async def test_a_backup_takes_the_place_of_nothing_else(tmp_path: Path) -> None:
    """A file that is no backup is left alone, above all the database itself; so is everything when the copy fails."""
    file, notes = tmp_path / "opsbot.db", tmp_path / "notes.txt"
    notes.write_text("mine")
    await Database(f"sqlite:///{file}").close()
    for taken in (file, notes):
        with pytest.raises(BackupError, match="something else than a backup"):
            back_up(file, taken, now=NOON)
    assert notes.read_text() == "mine"
    with pytest.raises(BackupError, match="There is no database at"):
        back_up(tmp_path / "none.db", tmp_path / "copy.db", now=NOON)
    with pytest.raises(BackupError, match="Nothing can be written in"):
        back_up(file, tmp_path / "none" / "copy.db", now=NOON)
    assert names(tmp_path) == {"opsbot.db", "notes.txt"}


async def test_what_is_restored_is_what_was_backed_up_and_the_former_is_kept(tmp_path: Path) -> None:
    """A backup takes the place of the database as a whole; the database that was there is kept, with all it knew."""
    file, copy = tmp_path / "opsbot.db", tmp_path / "copy.db"
    database = Database(f"sqlite:///{file}")
    await Memory(database).remember("when", "then")
    back_up(file, copy, now=NOON)
    await Memory(database).remember("when", "now")
    await database.close()

    aside = put_back(copy, file, now=RETURN)

    assert aside == tmp_path / "opsbot.db.replaced-20260303T120000Z"
    for which, when in ((file, "then"), (aside, "now")):
        opened = Database(f"sqlite:///{which}")
        assert await Memory(opened).recall("when") == when
        await opened.close()
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_killed_bots_last_words_are_kept_with_its_database(tmp_path: Path) -> None:
    """What a killed bot had written and not yet moved into the file is kept, and never read into the restored one."""
    file, copy = tmp_path / "opsbot.db", tmp_path / "copy.db"
    database = Database(f"sqlite:///{file}")
    await Memory(database).remember("when", "then")
    back_up(file, copy, now=NOON)
    await Memory(database).remember("when", "now")
    wal = (tmp_path / "opsbot.db-wal").read_bytes()
    main = file.read_bytes()
    await database.close()
    file.write_bytes(main)
    (tmp_path / "opsbot.db-wal").write_bytes(wal)

    aside = put_back(copy, file, now=RETURN)

    assert aside is not None
    for which, when in ((file, "then"), (aside, "now")):
        opened = Database(f"sqlite:///{which}")
        assert await Memory(opened).recall("when") == when
        await opened.close()


async def test_a_broken_database_can_be_replaced(tmp_path: Path) -> None:
    """A database that nobody can read any more is no obstacle: it is kept as it is."""
    file, copy = tmp_path / "opsbot.db", tmp_path / "copy.db"
    await Database(f"sqlite:///{file}").close()
    back_up(file, copy, now=NOON)
    file.write_bytes(b"nonsense" * 1000)

    aside = put_back(copy, file, now=RETURN)

    assert aside is not None
    assert aside.read_bytes() == b"nonsense" * 1000
    assert integrity(file) == "ok"


@pytest.mark.parametrize("damage", ["text", "other", "page"])
async def test_what_is_no_backup_is_not_restored(tmp_path: Path, damage: str) -> None:
    """A file that is none, somebody else's database and a damaged copy are refused, and nothing is changed."""
    file, copy = tmp_path / "opsbot.db", tmp_path / "copy.db"
    database = Database(f"sqlite:///{file}")
    for number in range(200):
        await Memory(database).remember(f"key {number}", "x" * 500)
    await database.close()
    if damage == "text":
        copy.write_text("a shopping list")
    elif damage == "other":
        with closing(sqlite3.connect(copy)) as other:
            other.execute("CREATE TABLE meta (key, value)")
            other.execute("INSERT INTO meta VALUES (?, ?)", (BACKED_UP, NOON.isoformat()))
            other.commit()
    else:
        back_up(file, copy, now=NOON)
        pages = bytearray(copy.read_bytes())
        pages[-8192:-4096] = b"\xff" * 4096
        copy.write_bytes(pages)
    before = file.read_bytes()

    with pytest.raises(BackupError, match=r"is no backup that|is damaged|could not be made"):
        put_back(copy, file, now=RETURN)

    assert file.read_bytes() == before
    assert names(tmp_path) == {"opsbot.db", "copy.db"}


async def past(database: Database) -> None:
    """Fill a database with what is under way at noon, as a backup of then holds it."""
    inbox, outbox = Inbox(database), Outbox(database)
    await inbox.accept([message("$1"), message("$open")], position="s1", seen={ROOM: "$open"})
    await inbox.finish("$1", posts=[post("answer")], job=job("$1"))
    await outbox.post(post("sent"))
    await bodies(outbox)
    await outbox.post(post("waiting"), post("edit", edits="sent"))
    await Memory(database).remember(BACKED_UP, NOON.isoformat())


async def settled(database: Database, *, now: datetime = RETURN) -> Restored | None:
    """Let a bot find out whether it was restored."""
    notice = Post(cause="notice", room_id=ROOM, text=Text(body="notice", html="notice"))
    return await settle(database, now=now, headline=lambda _: "nobody follows it", words=lambda _: [notice])


async def test_a_restored_bot_does_nothing_again(where: Place) -> None:
    """What was said, was to be sent or was under way before the restoration is not done again; the room is told."""
    async with leading(where) as database:
        await past(database)
        await Memory(database).remember(RESTORED, LATER.isoformat())
        found = await settled(database)
        assert found is not None
        assert (found.backed_up_at, found.restored_at, found.rooms) == (NOON, LATER, (ROOM,))
        assert [one.number for one in found.jobs] == [1]

        inbox, ledger = Inbox(database), Ledger(database)
        between = message("$between", minute=60)
        after = message("$after", minute=24 * 60 + 1)
        await inbox.accept([message("$1"), between, after], position="s2")
        assert [one.event_id for one in await inbox.open_messages()] == ["$after"]
        assert await bodies(Outbox(database)) == ["notice"]
        assert await ledger.jobs(open_only=True) == []
        ended = await ledger.job("1")
        assert ended is not None
        assert (ended.outcome, ended.details["headline"]) == ("broken", "nobody follows it")
        [line] = await Audit(database).of_job(ended.id)
        assert (line.kind, line.more["outcome"], line.reason) == ("end", "broken", "nobody follows it")
        assert await restored_at(database) == LATER


async def test_the_gap_is_not_read_again(where: Place) -> None:
    """The place in the stream stays, and its time becomes that of the restoration: nobody looks further back."""
    async with leading(where) as database:
        await past(database)
        await Memory(database).remember(RESTORED, LATER.isoformat())
        await settled(database)
        assert await Inbox(database).position() == ("s1", LATER.timestamp())


async def test_a_restored_bot_settles_once(where: Place) -> None:
    """A bot that was restored is one like any other from its second start on."""
    async with leading(where) as database:
        assert await settled(database) is None
        await past(database)
        assert await settled(database) is not None
        await bodies(Outbox(database))
    async with leading(where) as database:
        assert await settled(database, now=RETURN + timedelta(days=9)) is None
        assert await Outbox(database).depth() == 0
        assert await restored_at(database) == RETURN


async def test_numbers_of_jobs_that_may_have_been_are_left_out(where: Place) -> None:
    """The room knows numbers that the backup does not: none of them is given to another job."""
    async with leading(where) as database:
        await past(database)
        await settled(database)
        new: Job | None = await Inbox(database).finish("$new", job=job("$new"))
        assert new is not None
        assert new.number == 1002


async def test_a_copy_that_was_put_in_place_by_hand_is_noticed(tmp_path: Path) -> None:
    """Who copies a backup over the database is as safe as who restores it: the time is then that of the start."""
    file, copy = tmp_path / "opsbot.db", tmp_path / "copy.db"
    await Database(f"sqlite:///{file}").close()
    back_up(file, copy, now=NOON)
    database = Database(f"sqlite:///{copy}")
    assert await settled(database) is not None
    assert await restored_at(database) == RETURN
    await database.close()
    back_up(copy, file.with_name("second.db"), now=RETURN)
    second = Database(f"sqlite:///{file.with_name('second.db')}")
    found = await settled(second, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert found is not None
    assert found.restored_at.year == 2027
    await second.close()


async def test_the_commands_of_the_manual_bring_a_postgresql_back(postgres: Postgres, tmp_path: Path) -> None:
    """What docs/deployment.md says about pg_dump and pg_restore gives a database of which the bot knows what it is."""
    manual, dump = MANUAL.read_text(), tmp_path / "opsbot.dump"
    old, new = (place(postgres.database(), PASSWORD) for _ in range(2))
    async with leading(old) as database:
        await past(database)
        await Memory(database).forget(BACKED_UP)
        assert "pg_dump --format=custom --file=opsbot.dump opsbot" in manual
        postgres.run("pg_dump", "--format=custom", f"--file={dump}", str(old.database))
    assert "pg_restore --no-owner --role=opsbot --dbname=restored opsbot.dump" in manual
    postgres.run("pg_restore", "--no-owner", "--role=opsbot", f"--dbname={new.database}", str(dump))
    mark = "INSERT INTO meta VALUES ('backup.made', '2026-11-24T03:00:00+00:00')"
    assert f'psql restored --command "{mark}"' in manual
    postgres.ask(str(new.database), mark)

    async with leading(new) as database:
        found = await settled(database)
        assert found is not None
        assert [one.number for one in found.jobs] == [1]
        assert await bodies(Outbox(database)) == ["notice"]
