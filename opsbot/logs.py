"""The log: one line an event, for a person or as JSON, without secrets and without control characters."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO

from opsbot.errors import OpsbotError
from opsbot.happened import (
    Answered,
    ChatBack,
    ChatLost,
    Decided,
    Event,
    HostBack,
    HostLost,
    JobBegun,
    JobEnded,
    StageBegun,
    StageEnded,
)
from opsbot.masks import Masks
from opsbot.model import Job, Json

log = logging.getLogger("opsbot")

#: The most characters of one value; of a traceback the end tells more.
LONGEST = 8000

_USUAL = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime"))
#: What an operator reads; of the other events only the figures tell.
_LINES: Mapping[type, tuple[int, str]] = {
    Decided: (logging.INFO, "command decided"),
    Answered: (logging.INFO, "command answered"),
    JobBegun: (logging.INFO, "job begun"),
    StageBegun: (logging.INFO, "stage begun"),
    StageEnded: (logging.INFO, "stage ended"),
    JobEnded: (logging.INFO, "job ended"),
    HostLost: (logging.WARNING, "host lost"),
    HostBack: (logging.WARNING, "host back"),
    ChatLost: (logging.WARNING, "homeserver lost"),
    ChatBack: (logging.WARNING, "homeserver back"),
}
#: DBOS brings a handler of its own, and a level.
_STUBBORN = "dbos"

Fields = Mapping[str, Json]


def json_line(fields: Fields) -> str:
    """Return an event as one line of JSON."""
    return _quoted(dict(fields))


def text_line(fields: Fields) -> str:
    """Return an event as one line for a person: time, level, words, then `key=value`."""
    time, level, words, *rest = fields.items()
    head = f"{time[1]} {level[1]:<7} {_plain(words[1])}"
    return " ".join([head, *(f"{key}={_value(value)}" for key, value in rest)])


def _quoted(value: Json) -> str:
    line = json.dumps(value, ensure_ascii=False, default=str)
    return line if line.isprintable() else json.dumps(value, default=str).replace("\x7f", "\\u007f")


def _plain(words: str) -> str:
    return words if words.isprintable() else _quoted(words)


def _value(value: Json) -> str:
    bare = isinstance(value, str) and value and value.isprintable() and not set(' "=\\') & set(value)
    return value if bare else _quoted(value)


class Line(logging.Formatter):
    """Makes the line of a record: its words and its extra fields, with MASKS over all of them."""

    def __init__(self, render: Callable[[Fields], str], masks: Masks) -> None:
        super().__init__()
        self._render = render
        self._masks = masks

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = {"time": time, "level": record.levelname.lower(), "message": self._shown(_words(record))}
        more = {key: value for key, value in vars(record).items() if key not in _USUAL and value not in (None, "")}
        more["logger"] = record.name
        if record.exc_info:
            more["exception"] = self.formatException(record.exc_info)
        return self._render(fields | {key: self._shown(value) for key, value in more.items()})

    def _shown(self, value: Json) -> Json:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return round(value, 3)
        masked = self._masks.over(str(value))
        return masked if len(masked) <= LONGEST else f"…{masked[-LONGEST:]}"


def _words(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)  # a library's mistake must not cost its words


def _wanted(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.startswith("opsbot")


def begin(form: str, masks: Masks, *, stream: IO[str] | None = None) -> None:
    """Send the log of the bot and of its libraries to a stream, in the FORM "text" or "json".

    Ours from "info" on, theirs from "warning" on; without a stream it goes to stderr.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Line(json_line if form == "json" else text_line, masks))
    handler.addFilter(_wanted)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    stubborn = logging.getLogger(_STUBBORN)
    stubborn.handlers = [logging.NullHandler()]
    stubborn.propagate = True


@contextmanager
def last_words() -> Iterator[None]:
    """Write what nobody caught to the log, and end with status 1: Python's own way would mask nothing of it."""
    try:
        yield
    except OpsbotError:
        raise
    except Exception:
        log.exception("the bot broke")
        raise SystemExit(1) from None


def usual_form() -> str:
    """Return the form for whoever reads stderr: a person at a terminal, or a program."""
    return "text" if sys.stderr.isatty() else "json"


def note(event: Event) -> None:
    """Listen to what happened: write the line that an operator needs, if there is one."""
    if (line := _LINES.get(type(event))) is not None:
        level, words = line
        log.log(level, words, extra=_fields(event))


def _fields(event: Event) -> Fields:
    fields = dict(vars(event))
    job = fields.get("job")
    if isinstance(job, Job):
        about = {"job": job.number, "kind": job.kind, "host": job.host, "project": job.project}
        fields = about | {key: value for key, value in fields.items() if key != "job"}
        fields |= {"person": job.person, "event": job.event_id}
    return fields
