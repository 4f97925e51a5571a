"""Messages on their way to a room: a row first, then exactly one event."""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, func, insert, or_, select, update

from opsbot.errors import ChatRefusedError, ChatUnreachableError
from opsbot.letters import NOT_SENT, Letter
from opsbot.model import Post, Text
from opsbot.store.database import Database
from opsbot.store.schema import outbox
from opsbot.store.texts import clean, masked, unmarked


class State(StrEnum):
    """Where a row of the outbox is."""

    WAITING = "waiting"  # -> sent, refused or replaced
    SENT = "sent"
    REFUSED = "refused"  # the homeserver will never take it
    REPLACED = "replaced"  # a newer edit of the same message took its place before it was tried


#: Made once: it is asked after every write of the bot.
_ROOMS = (
    select(outbox.c.room_id)
    .where(outbox.c.state == State.WAITING)
    .group_by(outbox.c.room_id)
    .order_by(func.min(outbox.c.seq))
)


def transaction_id(cause: str, repeats: int = 0) -> str:
    """Derive the transaction id: homeservers keep them per account, some for ever, so it must not be a counter.

    A message that is sent again, because the bridge could not deliver it, is another event each time.
    """
    unique = f"{cause}#{repeats}" if repeats else cause
    return "opsbot-" + hashlib.sha256(unique.encode()).hexdigest()[:40]


def insert_posts(connection: Connection, posts: Sequence[Post]) -> None:
    """Store messages within a transaction of somebody else's; a known cause changes nothing."""
    for post in posts:
        if _find(connection, post.cause) is not None:
            continue
        if post.edits is not None:
            post = _edit_of_original(connection, post, post.edits)  # noqa: PLW2901 - the same post, aimed at its message
        _insert(connection, post)


def _edit_of_original(connection: Connection, post: Post, target: str) -> Post:
    """Aim an edit at the message that was first, and take the place of an edit of it that was not yet tried."""
    row = _find(connection, target)
    if row is None:
        # After a restore the edited message may be unknown: it is made of the words that we have.
        _insert(connection, replace(post, cause=target, edits=None))
    elif row["edits"] is not None:
        target = row["edits"]
    untried = and_(outbox.c.edits == target, outbox.c.state == State.WAITING, outbox.c.tried.is_(False))
    connection.execute(update(outbox).where(untried).values(state=State.REPLACED))
    return replace(post, edits=target)


def _insert(connection: Connection, post: Post) -> None:
    text = unmarked(connection, post.text)
    row = {
        "cause": post.cause,
        "room_id": post.room_id,
        "body": text.body,
        "html": text.html,
        "thread": post.thread,
        "edits": post.edits,
        "state": State.WAITING,
        "tried": False,
        "at": datetime.now(UTC).replace(tzinfo=None),
    }
    connection.execute(insert(outbox), row)


_BY_CAUSE = select(outbox).where(outbox.c.cause == bindparam("cause"))


def _find(connection: Connection, cause: str) -> RowMapping | None:
    return connection.execute(_BY_CAUSE, {"cause": cause}).mappings().one_or_none()


def _successor(connection: Connection, row: RowMapping) -> RowMapping | None:
    later = and_(outbox.c.edits == row["edits"], outbox.c.seq > row["seq"], outbox.c.state != State.REPLACED)
    return connection.execute(select(outbox).where(later).order_by(outbox.c.seq).limit(1)).mappings().one_or_none()


def _turn() -> Select[Any]:
    """Ask for the row whose turn it is in a room; made once, for it is asked for with every message."""
    here = and_(outbox.c.room_id == bindparam("room_id"), outbox.c.state == State.WAITING)
    # An edit waits for its message, which may have to be sent again.
    held = select(outbox.c.cause).where(here)
    free = and_(outbox.c.edits.not_in(bindparam("resting", expanding=True)), outbox.c.edits.not_in(held))
    due = or_(outbox.c.later.is_(None), outbox.c.later <= bindparam("now"))
    return select(outbox).where(here, or_(outbox.c.edits.is_(None), free), due).order_by(outbox.c.seq).limit(1)


_TURN = _turn()


def _first(
    connection: Connection, room_id: str, resting: Collection[str]
) -> tuple[RowMapping, RowMapping | None] | None:
    """Return the row whose turn it is, and the one that it edits."""
    given = {"room_id": room_id, "resting": list(resting), "now": datetime.now(UTC).timestamp()}
    row = connection.execute(_TURN, given).mappings().one_or_none()
    if row is None or row["edits"] is None:
        return None if row is None else (row, None)
    return row, _find(connection, row["edits"])


def _claim(connection: Connection, cause: str) -> bool:
    """Fix the content of an edit; False if a newer one came before."""
    mine = and_(outbox.c.cause == cause, outbox.c.state == State.WAITING)
    return connection.execute(update(outbox).where(mine).values(tried=True)).rowcount == 1


def _settle(connection: Connection, cause: str, state: State, *, event_id: str = "", reason: str = "") -> None:
    why = masked(connection, clean(reason)) or None
    values = {"state": state, "event_id": event_id or None, "reason": why, "receipt": None}
    connection.execute(update(outbox).where(outbox.c.cause == cause).values(**values))


def _to_letter(row: RowMapping, target: str | None) -> Letter:
    post = Post(
        cause=row["cause"],
        room_id=row["room_id"],
        text=Text(body=row["body"], html=row["html"]),
        thread=row["thread"],
        edits=row["edits"],
    )
    repeats = row["repeats"] or 0
    stale = row["event_id"] if repeats and post.edits is None else None
    return Letter(post=post, transaction=transaction_id(post.cause, repeats), target=target, stale=stale)


class Outbox:
    """The rows of the outbox; implements the ports `Outbox` and `Letters`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def post(self, *posts: Post) -> None:
        """Store messages to be sent. A known cause changes nothing; an edit replaces one that was not yet tried."""
        await self._database.write(lambda c: insert_posts(c, posts))

    def next_write(self) -> asyncio.Event:
        """Return what is set when something may have been added; take it before reading."""
        return self._database.next_write()

    async def rooms(self) -> list[str]:
        """Return the rooms for which something waits, in the order of their oldest letter."""
        return await self._database.read(lambda c: list(c.execute(_ROOMS).scalars()))

    async def take(self, room_id: str, *, resting: Collection[str] = ()) -> Letter | None:
        """Return the first letter of a room, but no edit of the RESTING causes; from now on its content is fixed."""
        while (first := await self._database.read(lambda c: _first(c, room_id, resting))) is not None:
            row, target = first
            cause = row["cause"]
            if target is not None and target["state"] != State.SENT:
                await self.mark_refused(cause, NOT_SENT)
            elif target is None or row["tried"] or await self._claim(cause):
                return _to_letter(row, None if target is None else target["event_id"])
        return None

    async def _claim(self, cause: str) -> bool:
        return await self._database.write(lambda c: _claim(c, cause))

    async def mark_sent(self, cause: str, event_id: str) -> None:
        """Note the event that a letter became; of this one the bridge has said nothing yet."""
        await self._database.write(lambda c: _settle(c, cause, State.SENT, event_id=event_id))

    async def mark_refused(self, cause: str, reason: str) -> None:
        """Note that the homeserver will never take a letter, and what it said."""
        await self._database.write(lambda c: _settle(c, cause, State.REFUSED, reason=reason))

    async def depth(self) -> int:
        """Return how many messages wait to be sent."""
        query = select(func.count()).select_from(outbox).where(outbox.c.state == State.WAITING)
        return await self._database.read(lambda c: c.execute(query).scalar_one())

    async def cause_of(self, event_id: str) -> str | None:
        """Return the cause of the message that an event is, or edits; None when it is none of ours."""
        query = select(outbox.c.edits, outbox.c.cause).where(outbox.c.event_id == event_id).limit(1)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else row.edits or row.cause

    async def sent(self, cause: str, *, within: float = 30.0) -> str:
        """Wait until a message is in its room and return its event's id; WITHIN is in seconds.

        Of an edit that a newer one replaced, the newer one's. Raises ChatRefusedError if the homeserver will never
        take it, ChatUnreachableError if the time is over.
        """
        try:
            async with asyncio.timeout(within):
                while True:
                    written = self._database.next_write()
                    event_id = await self._database.read(lambda c: _event_of(c, cause))
                    if event_id is not None:
                        return event_id
                    await written.wait()
        except TimeoutError:
            raise ChatUnreachableError(f"The homeserver did not take a message within {within:g} s.") from None


def _event_of(connection: Connection, cause: str) -> str | None:
    row = _find(connection, cause)
    if row is not None and row["state"] == State.REPLACED:
        row = _successor(connection, row)
    if row is not None and row["state"] == State.REFUSED:
        raise ChatRefusedError(row["reason"])
    return None if row is None else row["event_id"]
