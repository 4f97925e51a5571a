"""The command lines of Nix and nixos-rebuild, and what they say, as pure functions."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

Argv = tuple[str, ...]

_FLAKES = ("nix", "--extra-experimental-features", "nix-command flakes")
_COMMANDS = ("nix", "--extra-experimental-features", "nix-command")
_HASH = re.compile(r"[0-9a-df-np-sv-z]{32}-")
_FAILED = (
    re.compile(r"builder for '([^']+\.drv)' failed"),
    re.compile(r"Cannot build '([^']+\.drv)'"),
    re.compile(r"hash mismatch in fixed-output derivation '([^']+\.drv)'"),
    re.compile(r"build of '([^'^]+\.drv)[^']*' failed"),
)
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_LINK = re.compile(r"(?P<name>.+)-(?P<number>[0-9]+)-link")
#: Bytes of one line that are looked at; a build may print lines of megabytes.
_LINE = 4096


def lock_override(name: str, url: str) -> Argv:
    """Pin one input in the flake.lock of the current folder."""
    return (*_FLAKES, "flake", "lock", "--override-input", name, url)


def rebuild(clone: Path, commit: str, host: str) -> Argv:
    """Build the system of HOST from one commit, without re-executing anything of the new tree."""
    flake = f"git+file://{clone}?rev={commit}#{host}"
    return ("nixos-rebuild", "build", "--flake", flake, "--fast", "--no-update-lock-file", "--print-build-logs")


def diff_closures(old: str, new: str) -> Argv:
    """Ask what differs between two systems."""
    return (*_COMMANDS, "store", "diff-closures", old, new)


def add_root(path: str, link: Path) -> Argv:
    """Keep a store path from being collected as long as LINK is there."""
    return ("nix-store", "--realise", path, "--add-root", str(link))


def set_profile(profile: Path, system: str) -> Argv:
    """Move the profile to a new generation."""
    return ("nix-env", "--profile", str(profile), "--set", system)


def switch_generation(profile: Path, number: int) -> Argv:
    """Move the profile to a recorded generation, by its number."""
    return ("nix-env", "--profile", str(profile), "--switch-generation", str(number))


def link_number(target: str, name: str) -> int | None:
    """Return N of a link's name NAME-N-link, None for any other name."""
    found = _LINK.fullmatch(Path(target).name)
    return int(found["number"]) if found and found["name"] == name else None


def parse_diff(text: str) -> list[str]:
    """Return the lines of `diff-closures` without colours."""
    return [line for raw in text.splitlines() if (line := clean(raw))]


def clean(line: str) -> str:
    """Take colours and control characters out of a line."""
    return _ESCAPE.sub("", line.rstrip("\r\n").rsplit("\r", 1)[-1]).strip()


def short_lines(path: Path, offset: int = 0) -> Iterator[str]:
    """Yield the lines of a log from a byte offset on, each cut to a length that fits in memory."""
    with path.open("rb") as file:
        file.seek(offset)
        inside = False
        while piece := file.readline(_LINE):
            if not inside:
                yield clean(piece.decode("utf-8", "replace"))
            inside = not piece.endswith(b"\n")


def explain(lines: Iterable[str]) -> tuple[str | None, list[str]]:
    """Return the derivation that failed (by its name, without hash) and the last 20 lines that say something."""
    failed: str | None = None
    tail: deque[str] = deque(maxlen=20)
    for line in lines:
        if line:
            tail.append(line[:500])
        if failed is None:
            found = next((match for pattern in _FAILED if (match := pattern.search(line))), None)
            failed = found[1] if found else None
    return derivation_name(failed) if failed else None, list(tail)


def derivation_name(path: str) -> str:
    """Return the name of a derivation or store path without folder, hash and ending."""
    return _HASH.sub("", Path(path).name, count=1).removesuffix(".drv")
