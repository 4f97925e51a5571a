import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from opsbot.bot import LOOK, Bot
from opsbot.config import BadConfigError, parse
from opsbot.errors import ConfigError, HostError, HostUnreachableError
from opsbot.happened import Answered, ChatLost, End, Event, HostBack, HostLost, JobEnded, StageEnded, Synced
from opsbot.health import STOPPED, Health
from opsbot.logs import _LINES
from opsbot.model import Job, JobKind, Json, Outcome
from opsbot.oversight import Oversight
from opsbot.store.database import Database
from opsbot.store.ledger import Ledger
from opsbot.store.outbox import Outbox
from opsbot.testing.bench import Bench
from opsbot.watched import WatchedHost
from opsbot.web.server import serve
from tests.test_config import changed

MANUAL = Path(__file__).parents[2] / "docs" / "deployment.md"
JOB = Job(
    id="jabc", kind=JobKind.DEPLOY, host="ops-jrz1", project="hello-bot", target="main", person="eve",
    room_id="!ops:example.org", event_id="$asked", thread="$asked",
)  # fmt: skip


class Hand:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.time


class Watched:
    """A bot's oversight, with its pages on a real server."""

    def __init__(self, oversight: Oversight, hand: Hand, address: str) -> None:
        self.oversight = oversight
        self.hand = hand
        self.address = address

    async def get(self, page: str) -> tuple[int, str]:
        """Return the status and the words of a page."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.address}{page}") as answer:
            return answer.status, (await answer.text()).strip()

    async def figures(self) -> dict[tuple[str, ...], float]:
        """Return all figures as Prometheus's own parser reads them: the name, then the labels' values."""
        _, page = await self.get("/metrics")
        samples = [sample for family in families(page) for sample in family.samples]
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[Database]:
    """Open an empty database of the bot."""
    opened = Database(f"sqlite:///{folder}/opsbot.db")
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """A bot that has just begun, and its pages."""
    hand = Hand()
    oversight = Oversight(["ops-jrz1"], now=hand)
    async with database(tmp_path) as opened:
        pages = oversight.pages(Ledger(opened), Outbox(opened))
        async with serve("127.0.0.1:0", pages.routes()) as address:
            yield Watched(oversight, hand, address)


async def test_health_is_lost_when_a_loop_stops(watched: Watched) -> None:
    """/healthz is 200 while both loops turn, and 503 with the loop's name when one has not turned for 90 s."""
    assert await watched.get("/healthz") == (200, "well")
    watched.hand.time += STOPPED + 1
    watched.oversight.sync_turned()
    assert await watched.get("/healthz") == (503, "The bot loop has not turned for 91 s.")
    watched.oversight.bot_turned()
    assert await watched.get("/healthz") == (200, "well")
    watched.hand.time += STOPPED + 1
    watched.oversight.bot_turned()
    assert await watched.get("/healthz") == (503, "The sync loop has not turned for 91 s.")


async def test_the_bot_is_ready_when_it_has_heard_the_homeserver(watched: Watched) -> None:
    """/readyz is 503 with the reason until the first sync was taken in, and 200 from then on."""
    assert await watched.get("/readyz") == (503, "The first sync was not taken in yet.")
    watched.oversight.tell(ChatLost(why="The homeserver does not answer."))
    said = "The first sync was not taken in yet. The homeserver does not answer."
    assert await watched.get("/readyz") == (503, said)
    watched.oversight.tell(Synced())
    assert await watched.get("/readyz") == (200, "well")


async def test_the_bot_is_not_ready_without_its_database(tmp_path: Path) -> None:
    """/readyz is 503 when the database does not answer."""
    oversight = Oversight(["ops-jrz1"])
    oversight.tell(Synced())
    async with database(tmp_path) as opened:
        pages = oversight.pages(Ledger(opened), Outbox(opened))
    async with serve("127.0.0.1:0", pages.routes()) as address:
        status, said = await Watched(oversight, Hand(), address).get("/readyz")
    assert status == 503
    assert said.startswith("The database does not answer: ")


async def test_the_figures_are_those_of_what_happened(watched: Watched) -> None:
    """/metrics is read by Prometheus's own parser and tells of commands, jobs, stages, hosts, sync and outbox."""
    events: list[Event] = [
        Answered(command="status", person="dan", event="$1", end=End.ANSWERED, seconds=0.2),
        Answered(command="status", person="dan", event="$2", end=End.REFUSED, seconds=0.01),
        StageEnded(job=JOB, stage="prepare", seconds=61),
        JobEnded(job=JOB, outcome=Outcome.UNDONE, seconds=100),
        HostLost(host="ops-jrz1", why="no answer"),
        Synced(),
    ]
    for event in events:
        watched.oversight.tell(event)
    watched.hand.time += 5
    found = await watched.figures()
    expected = {
        ("opsbot_commands_total", "status", "answered"): 1,
        ("opsbot_commands_total", "status", "refused"): 1,
        ("opsbot_command_seconds_count", "status"): 2,
        ("opsbot_command_seconds_bucket", "status", "0.025"): 1,
        ("opsbot_stage_seconds_sum", "prepare"): 61,
        ("opsbot_jobs_ended_total", "deploy", "undone"): 1,
        ("opsbot_host_lost_total", "ops-jrz1"): 1,
        ("opsbot_sync_age_seconds",): 5,
        ("opsbot_outbox_depth",): 0,
        ("opsbot_oldest_job_seconds",): 0,
    }
    assert expected == {key: found.get(key) for key in expected}
    assert found["process_resident_memory_bytes",] > 0


async def test_bots_do_not_share_their_figures() -> None:
    """The figures are kept in a registry of each bot's own."""
    one, other = Oversight([]), Oversight([])
    one.tell(Answered(command="status", person="dan", event="$1", end=End.ANSWERED, seconds=0.2))
    page = other.metrics.page(jobs=[JOB], outbox=2, sync_age=1.0).decode()
    assert "opsbot_commands_total{" not in page
    assert 'opsbot_jobs_open{kind="deploy",stage="waiting"} 1.0' in page


def test_ends_of_jobs_count_from_nothing() -> None:
    """Each way in which a job can end is shown as 0 from the start: an alert on an increase sees the first one too."""
    page = Oversight(["ops-jrz1"]).metrics.page(jobs=[], outbox=0, sync_age=0.0).decode()
    assert 'opsbot_jobs_ended_total{kind="rollback",outcome="broken"} 0.0' in page
    assert 'opsbot_host_lost_total{host="ops-jrz1"} 0.0' in page


def test_the_oldest_open_job_is_shown() -> None:
    """The age of the oldest open job is what an alert looks at."""
    old = datetime.now(UTC) - timedelta(hours=2)
    jobs = [JOB, Job(**{**vars(JOB), "id": "jold", "created_at": old, "stage": "activate"})]
    page = Oversight([]).metrics.page(jobs=jobs, outbox=0, sync_age=0.0).decode()
    (line,) = [line for line in page.splitlines() if line.startswith("opsbot_oldest_job_seconds ")]
    assert float(line.split()[1]) >= 7200


async def test_a_conversation_leaves_its_figures(tmp_path: Path) -> None:
    """Commands, a whole deploy and its stages are counted; what somebody made up is counted as unknown."""
    async with Bench.open(tmp_path) as bench:
        oversight = Oversight(bench.site.config.hosts)
        hosts = {name: WatchedHost(host, oversight.tell) for name, host in bench.site.hosts.items()}
        bench.site = replace(bench.site, tell=oversight.tell, hosts=hosts)
        bench.bot = Bot(bench.site)
        await bench.say("member", "!hello")
        await bench.say("member", "!deploy hello-bot")
        await bench.say("member", '!evil"}_name')
        await bench.say("member", "!evilname")
        await bench.say("member", "!hello with --nonsense")
        await bench.say("deployer", "!deploy hello-bot")
        page = oversight.metrics.page(jobs=[], outbox=0, sync_age=0.0).decode()
    for line in (
        'opsbot_commands_total{command="hello",end="answered"} 1.0',
        'opsbot_commands_total{command="hello",end="usage"} 1.0',
        'opsbot_commands_total{command="deploy",end="refused"} 1.0',
        'opsbot_commands_total{command="deploy",end="job"} 1.0',
        'opsbot_commands_total{command="unknown",end="usage"} 1.0',
        'opsbot_jobs_ended_total{kind="deploy",outcome="done"} 1.0',
        'opsbot_stage_seconds_count{stage="activate"} 1.0',
        'opsbot_host_asks_total{end="yes",host="ops-jrz1",verb="confirm"} 1.0',
        'opsbot_host_connected{host="ops-jrz1"} 1.0',
    ):
        assert line in page
    assert "evil" not in page


async def test_the_bots_loop_turns_also_when_nobody_speaks(tmp_path: Path) -> None:
    """The loop that takes messages out of the inbox looks there from time to time, and tells of each turn."""
    turns = asyncio.Semaphore(0)
    async with Bench.open(tmp_path) as bench:
        loop = asyncio.create_task(Bot(bench.site, on_turn=turns.release, look=0.01).run())
        async with asyncio.timeout(10):
            for _ in range(3):
                await turns.acquire()
        loop.cancel()
        await asyncio.wait([loop])
    assert STOPPED > 2 * LOOK


async def test_a_host_is_lost_once_and_back_once() -> None:
    """However often a lost host is asked, it is told once that it is lost, and once that it is back."""
    told: list[Event] = []
    hand = Hand()
    host = WatchedHost(
        Moody("ops-jrz1", HostUnreachableError(), HostUnreachableError(), HostError("No.")), told.append, now=hand
    )
    for error in (HostUnreachableError, HostUnreachableError, HostError):
        with pytest.raises(error):
            await host.ask("status")
        hand.time += 7
    assert await host.ask("status") == "well"
    assert [event for event in told if isinstance(event, HostLost | HostBack)] == [
        HostLost(host="ops-jrz1", why="The host cannot be reached, so nobody knows what it does."),
        HostBack(host="ops-jrz1", seconds=14),
    ]


async def test_a_log_that_is_followed_is_a_question_too() -> None:
    """Following a log through the watch gives its lines unchanged, and tells of one question."""
    told: list[Event] = []
    host = WatchedHost(Moody("ops-jrz1"), told.append)
    assert [line async for line in host.follow("j1", "prepare", 0)] == [{"text": "a"}, {"state": {}}]
    assert [getattr(event, "verb", "") for event in told] == ["follow"]


class Moody:
    """A host that answers with errors first, and then well."""

    def __init__(self, name: str, *errors: Exception) -> None:
        self.name = name
        self._errors = list(errors)

    async def ask(self, verb: str, arguments: Mapping[str, Json] | None = None, *, within: float = 30.0) -> Json:
        """Answer."""
        del verb, arguments, within
        if self._errors:
            raise self._errors.pop(0)
        return "well"

    async def follow(self, job: str, log: str, offset: int, *, seconds: int = 60) -> AsyncIterator[Json]:
        """Yield a line and the state."""
        del job, log, offset, seconds
        yield {"text": "a"}
        yield {"state": {}}

    async def close(self) -> None:
        """Close nothing."""


async def test_who_cannot_listen_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong in the figures is logged, and the others still hear."""
    caplog.set_level("INFO")
    oversight = Oversight([])
    oversight.tell(Answered(command="x", person="dan", event="$1", end=End.ANSWERED, seconds="no number"))  # type: ignore[arg-type] # the fault that is staged
    assert "a listener failed" in caplog.text
    assert "command answered" in caplog.text


async def test_pages_on_a_unix_socket(tmp_path: Path) -> None:
    """The pages can be at the path of a Unix socket, where the file's mode says who may read them."""
    oversight = Oversight([])
    async with database(tmp_path) as opened:
        routes = oversight.pages(Ledger(opened), Outbox(opened)).routes()
        async with serve(str(tmp_path / "http.sock"), routes) as place:
            connector = aiohttp.UnixConnector(place)
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get("http://opsbot/healthz") as answer,
            ):
                assert answer.status == 200


async def test_a_taken_port_is_told_in_a_sentence() -> None:
    """A port that somebody else has ends the start with a sentence."""
    async with serve("127.0.0.1:0", []) as place:
        with pytest.raises(ConfigError, match=rf"^listen: nothing can be heard at {place}: "):
            async with serve(place, []):
                pass


@pytest.mark.parametrize(
    "value", ["127.0.0.1:9464", "127.0.0.9:0", "localhost:9464", "[::1]:9464", "/run/opsbot/http.sock", ""]
)
def test_the_loopback_and_a_socket_are_taken(value: str) -> None:
    """The pages may be on the loopback, at a socket, or nowhere."""
    assert parse(changed("listen", value)).listen == value


def test_nothing_is_opened_that_nobody_asked_for() -> None:
    """Without the key, the bot listens nowhere."""
    assert parse(changed("prefix", "!")).listen is None


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("0.0.0.0:9464", "must be on the loopback: its pages ask nobody for a name. Else write public:0.0.0.0:9464."),
        ("[::]:9464", "must be on the loopback: its pages ask nobody for a name. Else write public:[::]:9464."),
        ("10.0.0.2:80", "must be on the loopback: its pages ask nobody for a name. Else write public:10.0.0.2:80."),
        ("example.org:80", "must be an address and a port, like 127.0.0.1:9464, or the absolute path of a socket."),
        ("127.0.0.1:70000", "must be an address and a port, like 127.0.0.1:9464, or the absolute path of a socket."),
        ("9464", "must be an address and a port, like 127.0.0.1:9464, or the absolute path of a socket."),
        ("/run/opsbot/", "must be an address and a port, like 127.0.0.1:9464, or the absolute path of a socket."),
        ("127.0.0.1.5:80", "must be an address and a port, like 127.0.0.1:9464, or the absolute path of a socket."),
    ],
)  # fmt: skip
def test_other_addresses_must_be_spelled_out(value: str, sentence: str) -> None:
    """An address off the loopback is refused with the word that opens it; what is no address, with an example."""
    with pytest.raises(BadConfigError) as caught:
        parse(changed("listen", value))
    assert [(problem.path, problem.sentence) for problem in caught.value.problems] == [("listen", sentence)]


def test_a_spelled_out_address_is_taken() -> None:
    """Whoever writes `public:` gets what they wrote."""
    assert parse(changed("listen", "public:10.0.0.2:9464")).listen == "10.0.0.2:9464"


def test_the_age_of_a_sync_counts_from_the_start() -> None:
    """Before the first sync its age is the bot's own, so that one alert covers a bot that never got in."""
    hand: Callable[[], float] = Hand()
    health = Health(("sync",), now=hand)
    assert isinstance(hand, Hand)
    hand.time += 30
    assert health.sync_age == 30
    health.listen(Synced())
    hand.time += 2
    assert health.sync_age == 2


def test_the_manual_names_every_figure_and_no_other() -> None:
    """docs/deployment.md has each figure of the bot's own, and its alerts name only figures that there are."""
    page = Oversight([]).metrics.page(jobs=[], outbox=0, sync_age=0.0).decode()
    figures = {name for name in re.findall(r"^# TYPE (opsbot_\w+) ", page, re.MULTILINE) if "_created" not in name}
    assert set(re.findall(r"\bopsbot_\w+", MANUAL.read_text())) == figures - {"opsbot_info"}


def test_the_manual_names_every_line() -> None:
    """docs/deployment.md has the words of each event that the log tells of."""
    assert [words for _, words in _LINES.values() if f"`{words}`" not in MANUAL.read_text()] == []
