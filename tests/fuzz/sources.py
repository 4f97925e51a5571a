"""What admins write, and what is read back of what was stored."""

# ruff: noqa: PT017 - what comes in may be read or refused, and both ways something holds

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text

from opsbot.config import BadConfigError, Config, parse
from opsbot.config.expectations import read_expectations
from opsbot.credentials import Credentials
from opsbot.errors import ConfigError
from opsbot.expected import judge
from opsbot.hours import Hours
from opsbot.model import Decision, Level, Person
from opsbot.policy import decide
from opsbot.rules import Ask, Rule, Terms
from opsbot.store.address import is_sqlite, place
from opsbot.store.audit import audit_rows, broken_at, record_decision
from opsbot.store.rows import open_jobs
from opsbot.store.schema import audit, metadata
from opsbot.testimony import AuditEntry
from opsbot.triggers.cron import checked, newest
from tests.fuzz.people import BOOK
from tests.fuzz.tools import ANY_TEXT, deep, edited, is_plain, parser, pieces

FOLDER = Path(tempfile.mkdtemp(prefix="opsbot-fuzz-"))
EXAMPLE = (Path(__file__).parents[2] / "config.example.yaml").read_text()
SMALL = """
homeserver: {url: "http://127.0.0.1:6167", user: "@opsbot:example.org", token_file: token}
rooms: ["#ops:example.org"]
people:
  dan: {level: admin, accounts: ["@dan:example.org"]}
  eve: {level: deployer, slack: [U034EVE], projects: [hello-bot]}
rules:
  - {deny: [deploy], projects: [hello-bot], unless: {revisions: [main]}, reason: from main}
hosts:
  ops-jrz1: {address: 127.0.0.1, key_file: ssh-key, host_key: &key
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHFcMJSgh/0HX1ZIhxmdXD3dBlbHNWsjs5GwjbZVzTwA"}
projects: {hello-bot: {host: ops-jrz1, services: [web]}}
services: {web: {unit: nginx.service, http: "http://127.0.0.1/"}}
bridge: {bot: "@slackbot:example.org", team: T0TEAM}
database: "sqlite:////var/lib/opsbot-bot/opsbot.db"
"""
BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
)
YAML = (
    "!!python/object/apply:os.system [x]", "&a", "*a", "<<: *a", "? ", ": ", "- ", "|", ">", "%YAML 1.1", "---", "...",
    "2020-99-99", "0x1F", "1:2:3", "~", "!!binary x", "!!timestamp x", "!!set {}", "!!omap []",
    "\n  ", "{", "[", "]", "}",
)  # fmt: skip


@parser("config", st.tuples(
    edited((SMALL, SMALL, EXAMPLE), *YAML) | pieces(*YAML) | st.just(BOMB) | deep(),
    st.dictionaries(
        st.sampled_from(["OPSBOT_ROOMS", "OPSBOT_HOSTS__OPS_JRZ1__PORT", "OPSBOT_PREFIX", "OPSBOT_LIMITS", "OPSBOT___"])
        | ANY_TEXT.map(lambda name: f"OPSBOT_{name}"),
        edited(("[a, b]", "{a: b}", "22"), *YAML) | deep(),
        max_size=2,
    ),
))  # fmt: skip
def config_yaml(given: tuple[str, dict[str, str]]) -> None:
    """Whatever a configuration and its variables say, it is read, or all that is wrong is told in plain lines."""
    source, environ = given
    try:
        found = parse(source, environ)
    except BadConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert 0 < len(str(problem)) <= 5000
            assert str(problem).isprintable()
        return
    assert isinstance(found, Config)
    assert all(person.level > Level.STRANGER for person in found.people)


TABLE = """
expect:
  - {person: deployer, says: deploy hello-bot, may: yes, because: deployer}
  - {person: member, says: "!deploy platform", may: no, room: "!ops:example.org"}
"""


@parser("policy", edited((TABLE,), "says:", "admin", "deploy", "--force", "expect:", *YAML) | pieces(*YAML) | deep())
def policy_table(source: str) -> None:
    """Whatever a table of expectations says, each row is judged, or what is wrong with the table is told."""
    path = FOLDER / "table.yaml"
    path.write_bytes(source.encode(errors="surrogatepass"))
    try:
        rows = read_expectations(path)
    except ConfigError as error:
        assert str(error).replace("\n", "").isprintable()
        return
    for line in judge(BOOK, rows):
        assert str(line)


NAMES = st.frozensets(
    st.sampled_from(["hello-bot", "platform", "eve", "dan", "deploy", "restart", "force"]), max_size=3
)
TERMS = st.builds(
    Terms,
    people=st.none() | NAMES,
    levels=st.none() | st.frozensets(st.sampled_from(Level), max_size=2),
    rooms=st.none() | NAMES,
    projects=st.none() | NAMES,
    hosts=st.none() | NAMES,
    revisions=st.none() | st.lists(edited(("main", "release-*"), "[", "*", "?"), max_size=2).map(tuple),
    options=st.none() | NAMES,
)
RULES = st.builds(
    Rule, place=st.just("rules[1]"), allow=st.booleans(), commands=NAMES, terms=TERMS, unless=st.none() | TERMS
)
ASKS = st.builds(
    Ask,
    command=st.sampled_from(["deploy", "restart"]),
    needs=st.sampled_from(Level),
    rooms=NAMES,
    projects=NAMES,
    hosts=NAMES,
    revision=st.none() | edited(("main", "release-1"), "*"),
    guarded=st.frozensets(st.just("force")),
)
PEOPLE = st.builds(Person, name=st.just("eve"), level=st.sampled_from(Level), projects=st.none() | NAMES)


@parser("policy", st.tuples(PEOPLE, ASKS, st.lists(RULES, max_size=4)))
def policy(case: tuple[Person, Ask, list[Rule]]) -> None:
    """Whatever the rules are, a decision has its reason and its place; one that denies wins, and none gives nothing."""
    person, ask, rules = case
    found, usual = decide(person, ask, rules), decide(person, ask)
    assert found.reason
    assert found.place
    assert not (found.allowed and any(rule.denies(person, ask) for rule in rules))
    assert not found.allowed or usual.allowed or any(rule.grants(person, ask) for rule in rules)
    closing = Rule(place="rules[9]", allow=False, commands=frozenset(), terms=Terms())
    assert not decide(person, ask, [*rules, closing]).allowed


WHEN = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


OPEN = ("mon-fri 08:00-18:00", "fri 16:00-24:00, sat-sun 00:00-24:00", "sun-mon 02:30-03:30")


@parser("policy", st.tuples(
    edited(OPEN, "-", ":", ",", "24:00"),
    st.integers(0, 10_000_000),
))  # fmt: skip
def hours(given: tuple[str, int]) -> None:
    """Whatever hours are written, they are refused with a sentence, or it can be said when they begin and end."""
    written, minutes = given
    try:
        found = Hours.parse(written)
    except ValueError as error:
        assert is_plain(str(error))
        return
    zone, moment = ZoneInfo("Europe/Berlin"), WHEN + timedelta(minutes=minutes)
    now, until, since = found.hold_at(moment, zone), found.until(moment, zone), found.since(moment, zone)
    assert until is None or (until > moment and found.hold_at(until, zone) is not now)
    assert since is None or (since <= moment and found.hold_at(since, zone) is now)


@parser(
    "policy",
    edited(
        ("0 9 * * mon-fri", "*/5 0-23 1,15 1-12 *", "0 0 29 2 *", "0 0 31 2 *", "0 0 l * *"),
        "*",
        "/",
        "#",
        "L",
        "W",
        "@daily",
        "h",
    ),
)
def cron(written: str) -> None:
    """Whatever an expression is, it is refused with a sentence, or it has a last time that can be found soon."""
    try:
        found = checked(written)
    except ConfigError as error:
        assert len(str(error)) < 1000
        assert is_plain(str(error))
        return
    assert checked(found) == found
    now = datetime(2026, 3, 29, 3, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert newest(found, now) <= now


@parser(
    "config",
    edited(
        ("sqlite:////var/lib/x.db", "postgresql://opsbot@db.example.org/opsbot?sslmode=verify-full"), "@", "?", "%", ":"
    ),
)
def database_address(written: str) -> None:
    """Whatever the database's address is, the configuration refuses it, or it is taken apart and hides its password."""
    try:
        address = parse(SMALL, {"OPSBOT_DATABASE": written}).database
        where = place(address, "c4n4ry")
    except ConfigError as error:
        assert str(error).replace("\n", "").isprintable()
        return
    assert is_sqlite(where) is address.startswith("sqlite")
    assert "c4n4ry" not in f"{where} {where!r}"


@parser(
    "config",
    st.binary(max_size=80)
    | edited(("token\n", "-----BEGIN KEY-----\nabc\n"), "\n").map(lambda said: said.encode(errors="surrogatepass")),
)
def credential(data: bytes) -> None:
    """Whatever a credential holds, it is a text without its last line break, or refused without repeating any of it."""
    path = FOLDER / "token"
    path.touch(mode=0o600)
    path.write_bytes(data)
    try:
        found = Credentials(folder=FOLDER).read("token")
    except ConfigError as error:
        assert is_plain(str(error))
        return
    assert found.strip()
    assert found.encode() in data


ENGINE = create_engine(f"sqlite:///{FOLDER / 'rows.db'}")
metadata.create_all(ENGINE)
JOB = {
    "number": 1, "id": "j1", "kind": "deploy", "host": "h", "project": "p", "target": "t", "person": "eve",
    "room_id": "!r", "event_id": "$e", "thread": "$e", "dry_run": 0, "reason": "",
    "created_at": "2026-11-25 08:00:00.000000", "stage": "prepare", "details": "{}", "outcome": None, "ended_at": None,
}  # fmt: skip
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@parser("rows", st.dictionaries(st.sampled_from(["kind", "stage", "outcome", "target", "reason"]), WORDS, max_size=3))
def job_row(changed: dict[str, str]) -> None:
    """A job that the next version wrote, with words that this one does not know, is read as it was written."""
    row = JOB | changed
    names, places = ", ".join(row), ", ".join(f":{name}" for name in row)
    with ENGINE.begin() as connection:
        connection.execute(text("DELETE FROM jobs"))
        connection.execute(text(f"INSERT INTO jobs ({names}) VALUES ({places})"), row)  # noqa: S608 - names of ours
        (found,) = open_jobs(connection)
    for name, word in changed.items():
        assert getattr(found, name) == word


LINES = 3


def written(connection: Connection) -> None:
    """Write an audit of a few lines anew."""
    connection.execute(text("DELETE FROM audit"))
    for number in range(LINES):
        entry = AuditEntry(
            at=WHEN, person="eve", account="@eve:x", room_id="!r", event_id=f"${number}", what="deploy hello-bot",
            decision=Decision(allowed=True, reason="eve is deployer.", place="p"),
        )  # fmt: skip
        record_decision(connection, entry, None)


@parser(
    "rows",
    st.tuples(
        st.integers(1, LINES),
        st.sampled_from([column.name for column in audit.columns if column.name != "id"]),
        WORDS
        | st.integers(-(2**63), 2**63 - 1)
        | st.sampled_from(["", "{}", "2026-11-25 08:00:00.000000", "2026-13-41", b"\xff"]),
    ),
)
def audit_line(change: tuple[int, str, Any]) -> None:
    """Whatever somebody writes into a line of the audit, the chain is broken there."""
    number, column, value = change
    with ENGINE.begin() as connection:
        written(connection)
        first = connection.execute(text("SELECT min(id) FROM audit")).scalar_one() - 1
        line = {"value": value, "id": first + number}
        (before,) = connection.execute(text(f"SELECT {column} FROM audit WHERE id = :id"), line).one()  # noqa: S608 - as above
        assert broken_at(audit_rows(connection)) is None
        connection.execute(text(f"UPDATE audit SET {column} = :value WHERE id = :id"), line)  # noqa: S608 - as above
        found = broken_at(audit_rows(connection))
    assert found in ((None, first + number) if value == before else (first + number,))
