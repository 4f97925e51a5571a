"""The host's own proof that a switch went well: nothing that was well and that it touched is broken now."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from opsbot.onhost import systemd
from opsbot.onhost.config import Project
from opsbot.onhost.errors import HostError

_ANSWER = 5.0
_PAUSE = 0.5
_WELL = range(200, 400)
#: Rounds in a row that must be well: a service that dies at once is well for a moment.
_ROUNDS = 2


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer, not somewhere to go."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def http_well(url: str) -> bool:
    """Ask a URL; an answer below 400 within five seconds is well."""
    try:
        with _OPENER.open(url, timeout=_ANSWER) as answer:
            return answer.status in _WELL
    except urllib.error.HTTPError as error:
        with error:
            return error.code in _WELL
    except (OSError, ValueError):
        return False


def tcp_well(endpoint: str) -> bool:
    """Connect to HOST:PORT within five seconds."""
    host, _, port = endpoint.rpartition(":")
    with suppress(OSError, ValueError), socket.create_connection((host.strip("[]"), int(port)), _ANSWER):
        return True
    return False


@dataclass(frozen=True, kw_only=True)
class Health:
    """What was well and what was not, at one moment."""

    failed: frozenset[str]
    well: frozenset[str]
    ill: frozenset[str]

    @classmethod
    def look(cls, projects: Sequence[Project]) -> "Health":
        """Look at the failed units, and at the units and checks of some projects."""
        names = sorted({name for project in projects for name in project.units})
        states = systemd.show(names)
        well_units = {name for name, unit in states.items() if unit["active"] in ("active", "reloading")}
        checks: dict[str, Callable[[], bool]] = {name: partial(well_units.__contains__, name) for name in names}
        for project in projects:
            checks |= {url: partial(http_well, url) for url in project.http}
            checks |= {endpoint: partial(tcp_well, endpoint) for endpoint in project.tcp}
        with ThreadPoolExecutor(max_workers=16) as pool:
            results = dict(zip(checks, pool.map(lambda check: check(), checks.values()), strict=True))
        well = frozenset(name for name, result in results.items() if result)
        return cls(failed=frozenset(systemd.failed()), well=well, ill=frozenset(results) - well)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the comparison of two moments says: faults undo a deploy, warnings are told."""

    faults: tuple[str, ...] = ()
    failed_units: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def concerned(projects: Sequence[Project], touched: frozenset[str]) -> frozenset[str]:
    """Return the units that the switch touched, and the checks of the projects whose units are among them.

    A project that lists no units cannot be told apart from what was touched, so its checks always count.
    """
    near = [project for project in projects if not project.units or touched.intersection(project.units)]
    return touched.union(*(project.http for project in near), *(project.tcp for project in near))


def judge(before: Health, after: Health, touched: frozenset[str]) -> Verdict:
    """Compare two moments; only what was well before, or is new, and what the switch touched is a fault."""
    newly_failed = sorted(after.failed - before.failed)
    ours = [name for name in newly_failed if name in touched]
    ill = sorted(after.ill & before.well - set(newly_failed))
    broken = [name for name in ill if name in touched]
    faults = [*(f"{name} has failed" for name in ours), *(f"{name} was well before and is not now" for name in broken)]
    warnings = [
        *(
            f"{name} has failed meanwhile, but this deploy did not touch it."
            for name in newly_failed
            if name not in touched
        ),
        *(
            f"{name} was well before and is not now, but this deploy did not touch it."
            for name in ill
            if name not in touched
        ),
        *(f"{name} is not well, and was not before." for name in sorted(after.ill - before.well - set(ours))),
    ]
    units = [*ours, *(name for name in broken if name.endswith(".service"))]
    return Verdict(faults=tuple(faults), failed_units=tuple(units), warnings=tuple(warnings))


def prove(
    before: Health, projects: Sequence[Project], touched: frozenset[str], seconds: float, stop: Callable[[], None]
) -> Verdict:
    """Look until all is well twice in a row, for so many seconds at most; STOP is called in each round."""
    deadline = time.monotonic() + seconds
    rounds, counted = 0, concerned(projects, touched)
    while True:
        stop()
        verdict = judge(before, Health.look(projects), counted)
        rounds = 0 if verdict.faults else rounds + 1
        if rounds >= _ROUNDS or (verdict.faults and time.monotonic() > deadline):
            return verdict
        time.sleep(_PAUSE)


def last_words(units: Sequence[str], count: int = 20) -> list[dict[str, Any]]:
    """Return the last journal lines of units, for the message that says what went wrong."""
    words = []
    for unit in units:
        with suppress(HostError):
            words.append({"unit": unit, "lines": systemd.lines(unit, count)})
    return words
