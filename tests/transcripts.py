"""Conversations that a page shows, and what of them differs from run to run and from machine to machine."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Whether somebody wants what is shown written anew: `make snapshots`.
WRITES = os.environ.get("SNAPSHOTS") == "write"

_BEGIN, _END = "<!-- transcript -->", "<!-- /transcript -->"
_VARIES = (
    (r"load .*|disks free: .*", "MEASURED"),
    (r"\b[0-9a-f]{7}\b", "COMMIT"),
    (r"for less than a minute|for \d+ minutes?", "for AGE"),
    (r"\d+ min \d+ s|\d+ min|\d+(\.\d+)? s\b", "TIME"),
    (r"\d+ ms( [\d.]+)?", "LATENCY"),
    (r"just now|\d+ \w+ ago", "AGE"),
    (r"[ \t]+", " "),
)


def steady(text: str) -> str:
    """Take away what varies."""
    for pattern, word in _VARIES:
        text = re.sub(pattern, word, text)
    return text.strip()


def shown_in(page: str) -> str:
    """Return the conversation that a page shows."""
    return (
        (ROOT / page)
        .read_text()
        .partition(_BEGIN)[2]
        .partition(_END)[0]
        .replace("```text", "")
        .replace("```", "")
        .strip()
    )


def show_in(page: str, conversation: str) -> None:
    """Put a conversation in the place of the one that a page shows."""
    before, _, rest = (ROOT / page).read_text().partition(_BEGIN)
    (ROOT / page).write_text(f"{before}{_BEGIN}\n```text\n{conversation}\n```\n{_END}{rest.partition(_END)[2]}")
