"""The checks of services, each looked at once: None when it is well, else the reason why not."""

import http.client
import pwd
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opsbot.onhost import nix, systemd
from opsbot.onhost.errors import HostError
from opsbot.onhost.run import TIMED_OUT, Account, run
from opsbot.onhost.services import Command, Http, Service

_ANSWER = 5.0
_BODY = 64 * 1024
_WELL = range(200, 400)
_WORDS = 160
_PATH = "/run/current-system/sw/bin:/usr/bin:/bin"

Problem = str | None


def http_problem(page: Http) -> Problem:
    """Ask for a page once; all of it may take five seconds. A redirect is an answer, not somewhere to go."""
    try:
        parts = urlsplit(page.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER)
    except ValueError as error:
        return str(error)
    late = threading.Event()
    try:
        connection.connect()
        # A time-out of the socket counts anew with each byte; a server that drips would hold us for ever.
        timer = threading.Timer(_ANSWER, _hang_up, (connection.sock, late))
        timer.daemon = True
        timer.start()
        try:
            problem = _answer_problem(page, connection, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        finally:
            timer.cancel()
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = _reason(error)
    finally:
        connection.close()
    # What was cut off by us may look like an answer that ended.
    return f"no answer within {_ANSWER:.0f} s" if late.is_set() else problem


def _hang_up(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _answer_problem(page: Http, connection: http.client.HTTPConnection, target: str) -> Problem:
    connection.request("GET", target, headers={"User-Agent": "opsbot-host", "Connection": "close"})
    with connection.getresponse() as answer:
        well = answer.status in _WELL if page.status is None else answer.status == page.status
        if not well:
            return f"it answers {answer.status}"
        if page.body is not None and page.body not in answer.read(_BODY).decode("utf-8", "replace"):
            return f"its answer does not contain {page.body!r}"
    return None


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return nix.clean(words or type(error).__name__)[:_WORDS]


def tcp_problem(endpoint: str) -> Problem:
    """Connect to HOST:PORT within five seconds."""
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER):
            return None
    except (OSError, ValueError, OverflowError) as error:
        return _reason(error)


def command_problem(command: Command, user: str) -> Problem:
    """Run a command of root's list as USER, who is nobody in particular."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return f"this host has no user {user} to run it as"
    if entry.pw_uid == 0:
        return f"{user} is root, as whom no check runs"
    account = Account(user=entry.pw_uid, group=entry.pw_gid)
    try:
        done = run(command.argv, within=command.seconds, cwd=Path("/"), env={"PATH": _PATH}, account=account)
    except HostError as error:
        return error.message.rstrip(".")
    if done.code == TIMED_OUT:
        return f"it took more than {command.seconds} s"
    said = nix.clean(done.last_line)[:_WORDS]
    return None if done.code == 0 else f"it ended with {done.code}: {said}"


def unit_problem(state: Mapping[str, Any], active: int) -> Problem:
    """Judge the state of a unit, which must have been active for so many seconds without a break."""
    if state["active"] not in ("active", "reloading"):
        return f"it is {state['active']}"
    since = state.get("since")
    if since is not None and time.time() - since < active:
        return f"it has not been active for {active} s yet"
    return None


def look(services: Sequence[Service], user: str) -> dict[str, Problem]:
    """Look at everything that SERVICES list, side by side; return each thing's problem by its name."""
    for_how_long: dict[str, int] = {}
    for service in services:
        for_how_long |= {unit: max(service.active, for_how_long.get(unit, 0)) for unit in service.units}
    states = systemd.show(sorted(for_how_long))
    checks: dict[str, Callable[[], Problem]] = {}
    for service in services:
        checks |= {page.url: partial(http_problem, page) for page in service.http}
        checks |= {endpoint: partial(tcp_problem, endpoint) for endpoint in service.tcp}
        checks |= {command.name: partial(command_problem, command, user) for command in service.commands}
    with ThreadPoolExecutor(max_workers=16) as pool:
        problems = dict(zip(checks, pool.map(lambda check: check(), checks.values()), strict=True))
    return {**{unit: unit_problem(states[unit], active) for unit, active in for_how_long.items()}, **problems}
