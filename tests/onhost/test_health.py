import asyncio
import contextlib
import http.server
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsbot.onhost.checks import command_problem, http_problem, look, tcp_problem, unit_problem
from opsbot.onhost.config import parse
from opsbot.onhost.prove import Doctor, Health, judge, near
from opsbot.onhost.services import Command, Http, Service
from opsbot.standin import samples
from opsbot.standin.machine import Machine
from tests.onhost.bench import ENDED, Bench

USER = "nobody"


class _Pages(http.server.BaseHTTPRequestHandler):
    #: Two of the pages are well as long as this machine runs what it ran.
    machine: Machine
    was: Path

    def do_GET(self) -> None:
        if self.path == "/drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            with contextlib.suppress(OSError):
                for _ in range(50):
                    time.sleep(0.2)
                    self.wfile.write(b"X: y\r\n")
            return
        body = b"ready to serve"
        ill = self.path in ("/forge", "/web") and self.machine.running() != self.was
        self.send_response(502 if ill else 302 if self.path == "/moved" else 200)
        self.send_header("Location", "http://192.0.2.1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Keep quiet."""


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a server that answers."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_page_is_judged_by_its_status_and_its_body(page: str) -> None:
    """Unless a status is asked for, 200 to 399 is well; a redirect is not followed; the body must have its words."""
    assert http_problem(Http(url=f"{page}/")) is None
    assert http_problem(Http(url=f"{page}/moved")) is None
    assert http_problem(Http(url=f"{page}/moved", status=200)) == "it answers 302"
    assert http_problem(Http(url=f"{page}/", status=200, body="ready")) is None
    assert http_problem(Http(url=f"{page}/", body="steady")) == "its answer does not contain 'steady'"


def test_a_page_that_drips_is_not_waited_for(page: str) -> None:
    """A server that never stops answering is given up after five seconds in all."""
    began = time.monotonic()
    assert http_problem(Http(url=f"{page}/drip")) == "no answer within 5 s"
    assert time.monotonic() - began < 30


def test_what_does_not_listen_is_told(page: str) -> None:
    """A port that nobody listens on is a problem with its reason, over HTTP as over TCP."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{held.getsockname()[1]}"
        assert http_problem(Http(url=f"http://{endpoint}/")) == "Connection refused"
        assert tcp_problem(endpoint) == "Connection refused"
    assert tcp_problem(page.removeprefix("http://")) is None
    assert tcp_problem("127.0.0.1:99999") is not None


def _command(*argv: str, seconds: int = 10) -> Command:
    return Command(name="the check greets of hello-bot", argv=argv, seconds=seconds)


def test_a_command_runs_as_an_unprivileged_user_and_sees_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check's command is neither root nor in a group of root's, and does not see the helper's environment."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    assert command_problem(_command("/bin/sh", "-c", 'test "$(id -u)" -ne 0'), USER) is None or os.getuid() != 0
    said = command_problem(_command("/bin/sh", "-c", "id -G; env | grep -c CREDENTIALS; exit 3"), USER)
    assert said == "it ended with 3: 0"
    groups = command_problem(_command("/bin/sh", "-c", "echo $(id -G) >&2; exit 1"), USER)
    assert groups is not None
    assert os.getuid() != 0 or "0" not in groups.partition(": ")[2].split()


def test_a_command_has_its_time_and_needs_its_user() -> None:
    """A command that takes too long is ended; without its user, or as root, none runs."""
    assert command_problem(_command("/bin/sleep", "1000", seconds=1), USER) == "it took more than 1 s"
    assert command_problem(_command("/bin/true"), "nobody-here") == "this host has no user nobody-here to run it as"
    assert command_problem(_command("/bin/true"), "root") == "root is root, as whom no check runs"
    assert "cannot be run" in str(command_problem(_command("/no/such"), USER))


def test_the_program_of_a_check_is_the_one_of_before_the_switch(tmp_path: Path) -> None:
    """A check runs the program that its path named before the switch, wherever the path leads afterwards."""
    for name in ("old", "new"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/check").touch()
    (tmp_path / "current").symlink_to("old")
    command = _command(str(tmp_path / "current/bin/check"), "--quick")
    doctor = Doctor.of([Service(name="hello-bot", commands=(command,))], USER)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("new")
    assert doctor.services[0].commands[0].argv == (str(tmp_path / "old/bin/check"), "--quick")


def test_a_unit_must_have_been_active_for_its_time() -> None:
    """A unit is well when it has been active for so many seconds without a break."""
    now = time.time()
    assert unit_problem({"active": "active", "since": now - 5}, 3) is None
    assert unit_problem({"active": "active", "since": now - 1}, 3) == "it has not been active for 3 s yet"
    assert unit_problem({"active": "failed", "since": now - 5}, 0) == "it is failed"
    assert unit_problem({"active": "active", "since": None}, 3) is None


def _health(failed: set[str], well: set[str], ill: set[str]) -> Health:
    return Health(failed=frozenset(failed), well=frozenset(well), ill=dict.fromkeys(ill, "it answers 502"))


def test_only_what_was_well_and_was_touched_undoes_a_deploy() -> None:
    """Units that had failed before, or that the deploy did not touch, and checks that failed before, are warnings."""
    before = _health({"old.service"}, {"http://a/", "http://c/", "shop.service"}, {"http://b/", "http://d/"})
    ill = {"http://a/", "http://b/", "http://c/", "http://d/", "shop.service"}
    after = _health({"old.service", "far.service", "mine.service"}, set(), ill)
    verdict = judge(before, after, frozenset({"mine.service", "old.service", "http://a/", "http://b/"}))
    assert verdict.faults == ("mine.service has failed", "http://a/ was well before and is not now (it answers 502)")
    assert verdict.failed_units == ("mine.service",)
    assert verdict.warnings == (
        "far.service has failed meanwhile, but this deploy did not touch it.",
        "http://c/ was well before and is not now (it answers 502), but this deploy did not touch it.",
        "shop.service was well before and is not now (it answers 502), but this deploy did not touch it.",
        "http://b/ is not well (it answers 502), and was not before.",
    )


def test_the_checks_of_a_service_count_when_one_of_its_units_was_touched() -> None:
    """Checks count when the switch touched a unit beside them, or when a project that lists none is deployed."""
    services = [
        Service(name="near", units=("near.service",)),
        Service(name="far", units=("far.service",)),
        Service(name="page"),
        Service(name="other-page"),
    ]
    assert [one.name for one in near(services, {"near.service"}, {"page", "far"})] == ["near", "page"]


def test_all_kinds_of_checks_are_read_and_looked_at(page: str) -> None:
    """Units, pages, ports and commands stand beside one another, and each is told by its name."""
    said = {
        "units": [],
        "http": [f"{page}/", {"url": f"{page}/x", "status": 404, "body": "nothing"}],
        "tcp": [page.removeprefix("http://")],
        "commands": {"greets": ["/bin/true"], "sells": {"argv": ["/bin/false"], "seconds": 5}},
    }
    text = {"host": "h", "platform": {"url": "u"}, "projects": {"shop": {"url": "u", **said}}}
    project = parse(json.dumps(text), Path("/x")).project("shop")
    found = look([project], USER)
    assert found == {
        f"{page}/": None,
        f"{page}/x": "it answers 200",
        page.removeprefix("http://"): None,
        "the check greets of shop": None,
        "the check sells of shop": "it ended with 1: false ended with 1 and said nothing.",
    }
    assert project.checks == found.keys()


async def test_a_command_of_the_hosts_list_can_undo_a_deploy(machine: Machine, bench: Bench) -> None:
    """A check that held before the switch and does not hold after it takes the host back, and says why."""
    was, port = machine.running(), machine.repositories.ports["hello-bot"]
    # By its port alone: the user of the checks may not look into the folder of a test.
    ask = f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3"
    held = f'{ask}; grep -q "hello-bot 1.0" <&3 || {{ echo the greeting is gone; exit 1; }}'
    bench.change(check_user=USER)
    bench.change_project("hello-bot", settle=2, commands={"greets": ["/bin/bash", "-c", held]})
    ended = await bench.waiting("job1")
    assert ended["status"] == "reverted"
    why = "the check greets of hello-bot was well before and is not now (it ended with 1: the greeting is gone)."
    assert ended["why"] == why
    assert machine.running() == was


async def test_a_service_that_keeps_crashing_is_not_well(machine: Machine, bench: Bench) -> None:
    """A service that systemd starts again and again is not well just because it runs when somebody looks."""
    files = samples.project("hello-bot", "1.3", behaviour="crashes-later", tested=False)
    files["service.json"] = json.dumps({**json.loads(files["service.json"]), "restart": "always"})
    files["hello_bot.py"] = files["hello_bot.py"].replace("Timer(0.3,", "Timer(2.0,")
    machine.repositories.projects["hello-bot"].commit("Crash", files, branch="crash", onto="main")
    bench.change_project("hello-bot", active=4, settle=8, http=[], branches=["main", "crash"])
    before = machine.running()
    ended = await bench.waiting("job1", revision="crash")
    assert ended["status"] == "reverted"
    assert "hello-bot.service was well before and is not now" in ended["why"]
    assert machine.running() == before


async def test_a_service_of_the_platform_counts_when_the_switch_touches_it(
    machine: Machine, bench: Bench, page: str
) -> None:
    """A check of the platform's own services takes back a deploy that touched one, and warns of one that did not."""
    _Pages.machine, _Pages.was = machine, machine.running()
    bench.change(services={name: {"units": [unit], "settle": 2, "http": [f"{page}/{name}"]} for name, unit in _UNITS})
    active = await bench.waiting("job1")
    assert active["status"] == "waiting"
    assert [warning.partition(" was well")[0] for warning in active["warnings"]] == [f"{page}/forge", f"{page}/web"]
    await bench.ask("revert", job="job1")
    await bench.until("job1", "activate", *ENDED)
    ended = await bench.waiting("job2", project="platform")
    assert ended["status"] == "reverted"
    assert ended["why"] == f"{page}/forge was well before and is not now (it answers 502)."


_UNITS = (("forge", "forgejo.service"), ("web", "nginx.service"))


async def test_a_deploy_that_should_repair_the_bridge_is_not_undone_because_it_is_down(
    machine: Machine, bench: Bench
) -> None:
    """What was ill before the deploy and is ill after it is a warning, also when the deploy touches it."""
    bridge = {"units": ["mautrix-slack.service"], "http": ["http://127.0.0.1:9/"], "settle": 2}
    bench.change(services={"bridge": bridge})
    os.kill(await bench.pid("mautrix-slack.service"), signal.SIGKILL)
    newer = samples.SERVICES["mautrix-slack"] | {"version": "0.1.5", "exits": 7}
    pins = (await bench.ask("facts"))["pins"]
    machine.repositories.pin(machine.store, "Repair", pins, services=samples.SERVICES | {"mautrix-slack": newer})
    active = await bench.waiting("job1", project="platform")
    assert (active["status"], active["failed_before"]) == ("waiting", ["mautrix-slack.service"])
    assert "http://127.0.0.1:9/ is not well (Connection refused), and was not before." in active["warnings"]
    assert "mautrix-slack.service is not well (it is failed), and was not before." in active["warnings"]


async def test_a_unit_that_crashed_again_and_again_before_cannot_undo_a_deploy(machine: Machine, bench: Bench) -> None:
    """A unit that waited to be started again when the deploy began counts as ill before."""
    flag = machine.root / "broken"
    files = samples.project("web-shop", "2.4", tested=False)
    again = {"restart": "always", "restart_seconds": 300.0}
    files["service.json"] = json.dumps({**json.loads(files["service.json"]), **again})
    broken = f"    if os.path.exists({str(flag)!r}):\n        raise SystemExit(3)\n    with Server("
    files["web_shop.py"] = files["web_shop.py"].replace("    with Server(", broken)
    machine.repositories.projects["web-shop"].commit("Crash", files)
    await bench.deploy("job1", project="web-shop")
    flag.touch()
    os.kill(await bench.pid("web-shop.service"), signal.SIGKILL)
    async with asyncio.timeout(30):
        while (await machine.ask("show", units=["web-shop.service"]))[0]["SubState"] != "auto-restart":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    active = await bench.waiting("job2")
    assert (active["status"], active["failed_before"]) == ("waiting", ["web-shop.service"])
