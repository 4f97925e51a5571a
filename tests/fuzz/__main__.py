"""Fuzz parsers for so many seconds each: `python -m tests.fuzz SECONDS [PARSER…]`; a line of figures for each."""

import sys
import time

from tests.fuzz.table import PARSERS
from tests.fuzz.tools import run_for


def main(seconds: str, *names: str) -> int:
    """Fuzz the parsers of these names, or all; return 1 when one of them broke."""
    if unknown := [name for name in names if name not in PARSERS]:
        sys.exit(f"There is no parser {', '.join(unknown)}. There are: {' '.join(PARSERS)}.")
    broken = 0
    for name in names or PARSERS:
        begin = time.monotonic()
        try:
            count = run_for(PARSERS[name], seconds=float(seconds))
        except Exception as error:  # noqa: BLE001 - whatever breaks one parser, the others have their turn
            broken += 1
            print(f"{name}: BROKEN after {time.monotonic() - begin:.0f} s: {type(error).__name__}: {error}")  # noqa: T201
            print("\n".join(getattr(error, "__notes__", [])), flush=True)  # noqa: T201
        else:
            each = ", ".join(f"{part} {number}" for part, number in sorted(count.items()))
            print(f"{name}: {count.total()} examples in {time.monotonic() - begin:.0f} s ({each})", flush=True)  # noqa: T201
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
