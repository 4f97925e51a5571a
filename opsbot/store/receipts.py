"""What the bridge said of messages: Slack has them, or they are sent again, shorter, or given up."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, RowMapping, and_, func, select, update

from opsbot.letters import Receipt
from opsbot.model import Post, SlackNews, Text
from opsbot.receipts import Again, GiveUp, Shorter, verdict
from opsbot.render.text import fit, lines, tail, words
from opsbot.store.database import Database
from opsbot.store.outbox import State, insert_posts
from opsbot.store.schema import inbox, outbox
from opsbot.store.texts import clean, masked

log = logging.getLogger(__name__)

#: How many of the newest messages may still be unconfirmed, and how old they may be.
_NEWEST, _YOUNG = 300, timedelta(hours=6)
#: How many words of the bridge are kept about events that are not known yet.
_EARLY = 20
#: Lines and characters of a lost message that are told elsewhere.
_LINES, _WIDTH = 8, 120


class Receipts:
    """Implements the port `Receipts`. What is given up is told in the room of ALERTS, if any; NOW is Unix time.

    CHANNELS are the names of the channels that rooms are.
    """

    def __init__(
        self,
        database: Database,
        *,
        alerts: Callable[[], str | None] = lambda: None,
        channels: Callable[[], Mapping[str, str]] = dict,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._alerts = alerts
        self._channels = channels
        self._now = now
        #: The bridge may be faster than the homeserver's answer that names the event.
        self._early: deque[Receipt] = deque(maxlen=_EARLY)

    async def note(self, receipts: Sequence[Receipt]) -> None:
        """Take in what was said of events; of what was said before, nothing changes."""
        self._early.extend(receipts)
        if not self._early:
            return
        taken = await self._database.write(partial(self._note_all, tuple(self._early)))
        self._early = deque((one for one in self._early if one not in taken), maxlen=_EARLY)

    async def unconfirmed(self) -> frozenset[str]:
        """Return the events of the newest messages of which the bridge has said nothing, where it says something."""
        return await self._database.read(_unconfirmed)

    async def news(self) -> SlackNews:
        """Return when something last came and went, and why what was sent last did not arrive."""
        return await self._database.read(_news)

    def _note_all(self, receipts: Sequence[Receipt], connection: Connection) -> frozenset[Receipt]:
        return frozenset(receipt for receipt in receipts if self._note(connection, receipt))

    def _note(self, connection: Connection, receipt: Receipt) -> bool:
        """Take in what was said of one event; return whether the event is known."""
        row = connection.execute(select(outbox).where(outbox.c.event_id == receipt.event_id)).mappings().one_or_none()
        if row is not None and row["receipt"] != "" and row["state"] == State.SENT:
            self._take(connection, row, receipt)
        return row is not None

    def _take(self, connection: Connection, row: RowMapping, receipt: Receipt) -> None:
        if not receipt.problem:
            _set(connection, row, receipt="")
        elif row["edits"] is not None and _has_newer(connection, row):
            _set(connection, row, receipt=receipt.problem)
        else:
            self._fail(connection, row, receipt.problem)

    def _fail(self, connection: Connection, row: RowMapping, problem: str) -> None:
        repeats = row["repeats"] or 0
        again = {"state": State.WAITING, "tried": True, "repeats": repeats + 1, "receipt": clean(problem)}
        match verdict(problem, repeats):
            case Again(wait=wait):
                _set(connection, row, **again, later=self._now() + wait)
            case Shorter():
                text = fit(Text(body=row["body"], html=row["html"]), longest=max(len(row["body"]) // 2, 1))
                _set(connection, row, **again, later=None, body=text.body, html=text.html)
            case GiveUp(advice=advice):
                _set(connection, row, receipt=clean(problem))
                self._alert(connection, row, problem, advice)

    def _alert(self, connection: Connection, row: RowMapping, problem: str, advice: str) -> None:
        log.warning(
            "slack did not take a message", extra={"cause": row["cause"], "room": row["room_id"], "why": problem}
        )
        room = self._alerts()
        if room is not None and room != row["room_id"]:
            place = self._channels().get(row["room_id"], row["room_id"])
            text = lines(
                words(f"Slack did not take a message of mine in `{place}`: `{problem}`. {advice} It said:"),
                tail(row["body"], count=_LINES, width=_WIDTH),
            )
            cause = f"undelivered:{row['cause']}"
            insert_posts(connection, [Post(cause=cause, room_id=room, text=fit(text))])


def _set(connection: Connection, row: RowMapping, **values: object) -> None:
    connection.execute(update(outbox).where(outbox.c.seq == row["seq"]).values(**masked(connection, values)))


def _has_newer(connection: Connection, row: RowMapping) -> bool:
    newer = select(outbox.c.seq).where(outbox.c.edits == row["edits"], outbox.c.seq > row["seq"]).limit(1)
    return connection.execute(newer).one_or_none() is not None


def _unconfirmed(connection: Connection) -> frozenset[str]:
    columns = (outbox.c.seq, outbox.c.room_id, outbox.c.event_id, outbox.c.receipt, outbox.c.state)
    young = outbox.c.at > datetime.now(UTC).replace(tzinfo=None) - _YOUNG
    rows = connection.execute(select(*columns).where(young).order_by(outbox.c.seq.desc()).limit(_NEWEST)).all()
    # What was said before the bridge began to speak of messages is none of its silences.
    spoke = {row.room_id: row.seq for row in rows if row.receipt is not None}
    silent = (row for row in rows if row.receipt is None and row.state == State.SENT)
    return frozenset(row.event_id for row in silent if row.seq > spoke.get(row.room_id, row.seq))


def _news(connection: Connection) -> SlackNews:
    newest = select(outbox.c.receipt).where(outbox.c.receipt.is_not(None)).order_by(outbox.c.seq.desc()).limit(1)
    waiting = and_(outbox.c.state == State.WAITING, outbox.c.repeats > 0)
    sent = connection.execute(select(func.max(outbox.c.at)).where(outbox.c.receipt == "")).scalar_one()
    heard = connection.execute(
        select(func.max(inbox.c.sent_at)).where(inbox.c.sender.startswith("@slack_", autoescape=True))
    ).scalar_one()
    return SlackNews(
        heard=_aware(heard),
        sent=_aware(sent),
        problem=connection.execute(newest).scalar_one_or_none() or "",
        waiting=connection.execute(select(func.count()).select_from(outbox).where(waiting)).scalar_one(),
    )


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
