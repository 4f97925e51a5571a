import asyncio
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsbot import logs
from opsbot.credentials import Credentials
from opsbot.happened import Answered, ChatLost, End, HostLost, JobBegun, StageEnded, Synced
from opsbot.masks import MASK, Masks
from opsbot.model import Job, JobKind

CANARY = "canary-4711-in-the-mine"


@dataclass(frozen=True)
class Written:
    """What the log wrote, and what it masks."""

    stream: io.StringIO
    masks: Masks

    @property
    def lines(self) -> list[str]:
        """The lines so far."""
        return self.stream.getvalue().splitlines()

    @property
    def last(self) -> dict[str, object]:
        """The last line, read as JSON."""
        found: dict[str, object] = json.loads(self.lines[-1])
        return found


@pytest.fixture(params=["json", "text"])
def form(request: pytest.FixtureRequest) -> str:
    """Both forms of the log's lines."""
    found: str = request.param
    return found


@pytest.fixture
def written(form: str) -> Iterator[Written]:
    """The log, in one of its forms, into a text."""
    yield from kept(form)


@pytest.fixture
def as_json() -> Iterator[Written]:
    """The log as JSON, into a text."""
    yield from kept("json")


def kept(form: str) -> Iterator[Written]:
    """Begin the log in a form; put back what logged before."""
    root, dbos = logging.getLogger(), logging.getLogger("dbos")
    before = root.handlers[:], root.level, dbos.handlers[:], dbos.propagate
    found = Written(io.StringIO(), Masks())
    logs.begin(form, found.masks, stream=found.stream)
    yield found
    logging.captureWarnings(capture=False)
    root.handlers, level, dbos.handlers, dbos.propagate = before
    root.setLevel(level)


def fail(words: str) -> None:
    """Raise an error with these words."""
    raise ValueError(words)


def job() -> Job:
    """A job at work."""
    return Job(
        id="jabc", number=12, kind=JobKind.DEPLOY, host="ops-jrz1", project="hello-bot", target="main", person="eve",
        room_id="!ops:example.org", event_id="$asked", thread="$asked",
    )  # fmt: skip


def test_a_line_has_time_level_words_and_fields(as_json: Written) -> None:
    """Elsewhere than on a terminal a line is a JSON object: time, level, message, then its fields."""
    logs.note(Answered(command="status", person="dan", event="$e", end=End.ANSWERED, seconds=0.12345))
    time = as_json.last.pop("time")
    assert isinstance(time, str)
    assert time.endswith("Z")
    assert as_json.last | {"time": ""} == {
        "time": "", "level": "info", "message": "command answered", "command": "status", "person": "dan",
        "event": "$e", "end": "answered", "seconds": 0.123, "logger": "opsbot",
    }  # fmt: skip


def test_a_terminal_shows_words_and_pairs() -> None:
    """On a terminal a line is time, level, words and `key=value`; a value with spaces stands in quotes."""
    lines = kept("text")
    written = next(lines)
    logs.note(HostLost(host="ops-jrz1", why="no answer within 30 s"))
    next(lines, None)
    assert written.lines[0].partition("Z ")[2] == (
        'warning host lost host=ops-jrz1 why="no answer within 30 s" logger=opsbot'
    )


def test_a_job_is_named_in_each_of_its_lines(as_json: Written) -> None:
    """The lines of a job name its number, its host, its project and who asked for it."""
    logs.note(JobBegun(job=job()))
    logs.note(StageEnded(job=job(), stage="prepare", seconds=61.0))
    begun, ended = (json.loads(line) for line in as_json.lines)
    for line in (begun, ended):
        assert (line["job"], line["host"], line["project"], line["person"]) == (12, "ops-jrz1", "hello-bot", "eve")
    assert (ended["stage"], ended["seconds"]) == ("prepare", 61.0)


def test_a_sync_is_no_news(written: Written) -> None:
    """What happens all the time is counted and not written."""
    logs.note(Synced())
    assert written.lines == []


def test_one_event_is_one_line(written: Written) -> None:
    """A traceback whose words have line breaks is one line, without any control character."""
    try:
        fail("first\nsecond\r\n\x1b[31mred\u202e")
    except ValueError:
        logging.getLogger("opsbot.bot").exception("command failed", extra={"event": "$a\nb\x00\x7f\x85"})
    (line,) = written.lines
    assert line.isprintable()
    assert "ValueError" in line


def test_escaping_loses_nothing(as_json: Written) -> None:
    """What was escaped is read back by whoever reads JSON; umlauts stay as they are."""
    said = "Grüße\n\x1b[31m\x7f\u202e"
    logging.getLogger("opsbot.x").info("%s", said)
    assert as_json.last["message"] == said
    logging.getLogger("opsbot.x").info("Grüße")
    assert "Grüße" in as_json.lines[-1]


def test_words_cannot_pretend_to_be_fields(written: Written, form: str) -> None:
    """A value that looks like another field or another line stays one value."""
    logs.note(ChatLost(why='no" level=error person=dan\n2026 error'))
    (line,) = written.lines
    if form == "text":
        assert 'why="no\\" level=error person=dan\\n2026 error"' in line
    else:
        assert json.loads(line)["level"] == "warning"


def test_a_secret_that_was_read_is_never_written(written: Written, tmp_path: Path) -> None:
    """A credential is masked once it was read: in words, fields, addresses and tracebacks, whole or a line of it."""
    key = f"-----BEGIN KEY-----\n{CANARY}-one/+\n{CANARY}-two=\n-----END KEY-----"
    for name, secret in {"token": CANARY, "key": key}.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(secret)
        Credentials(folder=tmp_path, on_secret=written.masks.learn).read(name)
    log = logging.getLogger("opsbot.x")
    log.info("it is %s", CANARY, extra={"why": {"deep": [f"{CANARY}-one/+"]}, "url": f"http://x/?t={CANARY}-one%2F%2B"})
    log.info(key)
    try:
        fail(f"refused {CANARY}")
    except ValueError:
        log.exception("broken")
    assert len(written.lines) == 3
    assert "canary" not in written.stream.getvalue()
    assert "one%2F" not in written.stream.getvalue()
    assert MASK in written.lines[0]


@pytest.mark.parametrize(
    "said",
    [
        "Authorization: Bearer sec.ret-12",
        "authorization: basic c2VjcmV0",
        "xoxb-12-secret",
        "xapp-1-A-secret",
        "syt_Ym90_secret_1",
        "GET /sync?access_token=secret&timeout=0",
        "git clone https://bot:secret@git.example.org/a.git",
    ],
)
def test_what_looks_like_a_secret_is_masked(said: str) -> None:
    """Tokens are masked by their looks too, wherever they came from."""
    shown = Masks().over(said)
    assert MASK in shown
    assert "secret" not in shown
    assert "c2VjcmV0" not in shown
    assert "sec.ret" not in shown


def test_ordinary_words_stay() -> None:
    """A short line of a key takes no ordinary words away."""
    masks = Masks()
    masks.learn("-----BEGIN-----\nA==\nlonger-than-that")
    assert masks.over("A== and token and the bearer of news") == "A== and token and the bearer of news"


def test_libraries_speak_from_warning_on(as_json: Written) -> None:
    """What a library says goes the same way from "warning" on, also when it brings a handler of its own."""
    for name in ("asyncssh", "dbos", "aiohttp.server", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble %d", 1)
    assert [json.loads(line)["logger"] for line in as_json.lines] == [
        "asyncssh",
        "dbos",
        "aiohttp.server",
        "sqlalchemy",
    ]


def test_a_mistake_in_a_log_call_costs_no_line() -> None:
    """Words whose values do not fit them are written as they stand."""
    record = logging.makeLogRecord(
        {"msg": "trouble %d", "args": ("one",), "levelname": "WARNING", "name": "sqlalchemy"}
    )
    assert json.loads(logs.Line(logs.json_line, Masks()).format(record))["message"] == "trouble %d"


async def test_what_nobody_caught_is_a_line_too(as_json: Written) -> None:
    """An exception that a callback of the loop raised is written like everything else."""
    asyncio.get_running_loop().call_soon(fail, "nobody\nlistens")
    await asyncio.sleep(0.01)
    assert as_json.last["logger"] == "asyncio"
    assert str(as_json.last["exception"]).endswith("ValueError: nobody\nlistens")


def test_a_long_value_is_cut(as_json: Written) -> None:
    """A message of 60 kB does not fill the journal; its end is kept."""
    logging.getLogger("opsbot.x").info("begin %s end", "x" * 60_000)
    assert len(as_json.lines[0]) < 9000
    assert str(as_json.last["message"]).endswith("x end")
