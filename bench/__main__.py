"""The command: `python -m bench [SCENARIO …] [--quick] [--write]`."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from bench import report
from bench.party import NoAnswerError
from bench.scenarios import SCENARIOS
from bench.sizes import FULL, QUICK, Sizes


def main() -> int:
    """Measure what the command line names, or everything; return the exit status."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure opsbot beside a plain loop of /sync and send.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all without one")
    parser.add_argument("--quick", action="store_true", help="small numbers: to try the bench, not the bot")
    parser.add_argument("--write", action="store_true", help="write bench/results.json and docs/performance.md")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    return asyncio.run(_measure(chosen.scenarios or list(SCENARIOS), QUICK if chosen.quick else FULL, chosen.write))


async def _measure(names: list[str], sizes: Sizes, write: bool) -> int:  # noqa: FBT001 - the flag of the command line
    results: report.Results = {}
    start = time.monotonic()
    for name in names:
        began = time.monotonic()
        sys.stderr.write(f"{name}: {SCENARIOS[name].about} …\n")
        with tempfile.TemporaryDirectory(prefix="opsbot-bench-") as folder:
            try:
                results[name] = await SCENARIOS[name].run(Path(folder), sizes)
            except NoAnswerError as error:
                # One scenario less is better than none: it is not among the figures, and the run has failed.
                sys.stderr.write(f"{name}: no figures: {error}\n")
                continue
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
        sys.stdout.write(report.table(name, results[name]) + "\n")
        sys.stdout.flush()
    if write:
        report.write(results, sizes, minutes=(time.monotonic() - start) / 60)
    return 0 if len(results) == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
