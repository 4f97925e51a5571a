"""The figures as a table on the terminal, as bench/results.json and in docs/performance.md."""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.figures import Figure
from bench.scenarios import SCENARIOS
from bench.sizes import FULL, Sizes

Results = dict[str, list[Figure]]
_TOP = Path(__file__).parents[1]
RESULTS = _TOP / "bench/results.json"
PAGE = _TOP / "docs/performance.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def table(name: str, figures: Sequence[Figure]) -> str:
    """Return the figures of one scenario in columns for the terminal."""
    rows = [_head(name), *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["", *lines])


def _head(name: str) -> Sequence[str]:
    return (name, "unit", "opsbot", SCENARIOS[name].beside, "bar", "")


def markdown(results: Mapping[str, Sequence[Figure]], machine: str, sizes: Sizes) -> str:
    """Return the figures as a part of the manual."""
    command = "make bench" if sizes == FULL else "make bench QUICK=1"
    parts = [f"Taken on {datetime.now(UTC):%Y-%m-%d} by `{command}`. {machine}"]
    for name, figures in results.items():
        rows = [_head(name), ("---",) * 6, *(figure.cells() for figure in figures)]
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        parts += [f"**{name}**: {SCENARIOS[name].about}.", "\n".join(lines)]
    return "\n\n".join(parts)


def machine() -> str:
    """Say what the figures were taken on, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB of memory",
        f"Python {platform.python_version()}",
        f"Synapse {version('matrix-synapse')} with SQLite {sqlite3.sqlite_version} on loopback, rate limits raised",
    ]
    load = os.getloadavg()[0]
    return f"{'; '.join(parts)}. The load was {load:.1f} at the end, bench and homeserver included."


def write(results: Mapping[str, Sequence[Figure]], sizes: Sizes, *, minutes: float) -> None:
    """Write the figures to bench/results.json and between the markers of docs/performance.md.

    Scenarios that were not measured now keep their last figures in neither: both files tell of one run.
    """
    said = f"{machine()} The run took {minutes:.0f} minutes."
    figures = {name: [figure.as_json() for figure in found] for name, found in results.items()}
    whole = {"taken": f"{datetime.now(UTC):%Y-%m-%d}", "machine": said, "sizes": asdict(sizes), "figures": figures}
    RESULTS.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(results, said, sizes)}\n{END}{after}")
