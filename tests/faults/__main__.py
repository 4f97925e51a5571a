"""The command: `python -m tests.faults [--faults N] [--seed S] [--only NUMBER …] [--file FILE]`."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from tests.faults import table
from tests.faults.campaign import LANES, Campaign
from tests.faults.clocks import library
from tests.faults.plan import Where
from tests.system import image

_TOP = Path(__file__).parents[2]
#: A campaign of so many faults is the long one, in which what is paused is paused for longer.
_LONG, _PAUSES = 100, (8.0, 40.0)


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def why_not() -> str | None:
    """Return why no campaign can be run here, and what to do about it."""
    if os.geteuid() != 0:
        return "run it as root: sudo make faults"
    if library() is None:
        return "install libfaketime: apt-get install faketime"
    return image.why_not()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description="Deal faults and judge each from outside.")
    parser.add_argument("--faults", type=int, default=24, help="how many; 24 without it")
    parser.add_argument("--seed", type=int, default=1, help="which; another seed is another campaign")
    parser.add_argument("--only", type=int, nargs="*", default=[], metavar="NUMBER", help="repeat these of the seed")
    parser.add_argument("--pause", type=float, help="seconds that what is paused is paused for")
    parser.add_argument("--standins", type=int, default=LANES[Where.STANDIN], help="how many stand-ins at a time")
    parser.add_argument("--file", type=Path, default=_TOP / ".venv/faults/outcomes.jsonl", help="where outcomes go")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in the page")
    parser.add_argument("--lane", nargs=2, metavar=("WORLD", "LOGS"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run a campaign, or a lane of one; return the exit status: 0 without a violation."""
    chosen = _arguments()
    if chosen.lane:
        from tests.faults.lane import run  # noqa: PLC0415 - what only a lane needs

        asyncio.run(run(Where(chosen.lane[0]), Path(chosen.lane[1])))
        return 0
    if (why := why_not()) is not None:
        _say(why)
        return 1
    pause = chosen.pause if chosen.pause is not None else _PAUSES[chosen.faults >= _LONG]
    campaign = Campaign(
        seed=chosen.seed, pause=pause, faults=chosen.faults, only=chosen.only, file=chosen.file.absolute(), say=_say
    )
    campaign.lanes[Where.STANDIN] = chosen.standins
    began = time.monotonic()
    outcomes = asyncio.run(campaign.run())
    _say("\n" + (table.markdown(outcomes) if chosen.markdown else table.plain(outcomes)))
    missed = sum(not one.struck for one in outcomes)
    violations = sum(bool(one.violations) for one in outcomes)
    _say(
        f"\n{violations} violations in {len(outcomes) - missed} faults, {(time.monotonic() - began) / 60:.1f} minutes."
    )
    if missed:
        _say(f"{missed} hit nothing: what they were to hit was over.")
    return 0 if table.is_well(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
