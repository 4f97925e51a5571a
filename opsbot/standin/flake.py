"""Flake references, inputs fetched with git, and flake.lock in Nix's own format (version 7)."""

import json
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from opsbot.standin.errors import NixError
from opsbot.standin.nixstore import Store, nar_hash

Lock = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A `git+…` flake reference."""

    url: str
    ref: str | None = None
    rev: str | None = None
    attribute: str = ""

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """Read `git+file:///path?ref=main&rev=SHA#attribute`. Raises NixError on anything else."""
        found = re.fullmatch(r"git\+(file://[^?#]+)(?:\?([^#]*))?(?:#(.*))?", text)
        if not found:
            raise NixError(f"'{text}' is not a flake reference that this machine can fetch")
        query = parse_qs(found[2] or "")
        ref, rev = (query.get(key, [None])[-1] for key in ("ref", "rev"))
        return cls(url=unquote(found[1]), ref=ref, rev=rev, attribute=unquote(found[3] or "").strip('"'))

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in (("ref", self.ref), ("rev", self.rev)) if value)
        return f"git+{self.url}" + (f"?{query}" if query else "")

    @property
    def original(self) -> dict[str, str]:
        """The reference as flake.lock keeps it under `original`."""
        return ({"ref": self.ref} if self.ref else {}) | {"type": "git", "url": self.url}


def git(*arguments: str) -> bytes:
    """Run git and return what it wrote. Raises NixError with its last line."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NixError(f"program 'git' failed with exit code {done.returncode}: {said[-1] if said else ''}")
    return done.stdout


def _repository(url: str) -> str:
    return url.removeprefix("file://")


def resolve(ref: Ref) -> str:
    """Return the commit that REF names, which must be on its branch or tag, if it names one."""
    repository, name = _repository(ref.url), ref.ref or "HEAD"
    if ref.rev is None:
        return git("-C", repository, "rev-parse", "--verify", f"{name}^{{commit}}").decode().strip()
    try:
        git("-C", repository, "merge-base", "--is-ancestor", ref.rev, name)
    except NixError:
        if ref.ref is None:
            git("-C", repository, "cat-file", "-e", f"{ref.rev}^{{commit}}")
        else:
            raise NixError(
                f"Cannot find Git revision '{ref.rev}' in ref '{name}' of repository '{repository}'! Please make sure "
                "that the rev exists on the ref you've specified or add allRefs = true; to fetchGit."
            ) from None
    return ref.rev


def tree(store: Store, ref: Ref) -> Path:
    """Put the files that REF names into the store; return their path."""
    if ref.rev is not None and store.valid(path := store.path("source", ref.rev)):
        return path
    rev = resolve(ref)

    def unpack(folder: Path) -> None:
        packed = git("-C", _repository(ref.url), "archive", "--format=tar", rev)
        subprocess.run(["tar", "--extract", "--touch", "--directory", str(folder)], input=packed, check=True)

    return store.realise(store.path("source", rev), unpack)


def fetch(store: Store, ref: Ref) -> dict[str, Any]:
    """Put the files that REF names into the store; return what flake.lock keeps under `locked`."""
    rev, repository = resolve(ref), _repository(ref.url)
    dates = git("-C", repository, "rev-list", "--timestamp", rev).decode().splitlines()
    return {
        "lastModified": int(dates[0].split()[0]),
        "narHash": nar_hash(tree(store, replace(ref, rev=rev))),
        **({"ref": ref.ref} if ref.ref else {}),
        "rev": rev,
        "revCount": len(dates),
        "type": "git",
        "url": ref.url,
    }


_INPUT = re.compile(
    r'^\s*(?:inputs\.)?(?P<name>[A-Za-z][\w-]*)(?:\.url\s*=|\s*=\s*\{\s*url\s*=)\s*"(?P<url>[^"]+)";(?P<rest>.*)$',
    re.MULTILINE,
)


def inputs(flake: str) -> dict[str, str]:
    """Read the inputs of a flake.nix: lines like `NAME.url = "…";` or `NAME = { url = "…"; … };`."""
    return {found["name"]: found["url"] for found in _INPUT.finditer(flake)}


def followed(flake: str, name: str) -> dict[str, list[str]]:
    """Return what an input takes from the flake itself, by `inputs.X.follows = "Y";`, as flake.lock has it."""
    rest = next((found["rest"] for found in _INPUT.finditer(flake) if found["name"] == name), "")
    return {own: [ours] for own, ours in re.findall(r'inputs\.([\w-]+)\.follows\s*=\s*"([\w-]+)";', rest)}


def modules(flake: str) -> list[str]:
    """Return the inputs whose module a flake.nix takes, each on a line of its own."""
    return re.findall(r"^\s*inputs\.([\w-]+)\.nixosModules\.default$", flake, re.MULTILINE)


def read_lock(folder: Path) -> Lock:
    """Read the lock of a flake; none is an empty one. Raises NixError if it is not JSON."""
    try:
        lock: Lock = json.loads((folder / "flake.lock").read_text())
    except FileNotFoundError:
        return {"nodes": {"root": {}}, "root": "root", "version": 7}
    except ValueError as error:
        raise NixError(f"parse error in '{folder}/flake.lock': {error}") from error
    return lock


def dump(lock: Lock) -> str:
    """Write a lock the way Nix does."""
    return json.dumps(lock, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def missing(flake: str, lock: Lock) -> list[str]:
    """Return the inputs of a flake.nix that its lock does not know."""
    locked = lock["nodes"]["root"].get("inputs", {})
    return sorted(name for name in inputs(flake) if name not in locked)


def locked_ref(lock: Lock, name: str) -> Ref:
    """Return the exact reference that a lock has for an input."""
    node = lock["nodes"][lock["nodes"][lock["root"]]["inputs"][name]]["locked"]
    return Ref(url=node["url"], ref=node.get("ref"), rev=node["rev"])


def relock(store: Store, flake: str, lock: Lock, overrides: Mapping[str, str]) -> tuple[Lock, list[str]]:
    """Lock what is missing and override the named inputs; return the new lock and what Nix says about it."""
    changed: Lock = json.loads(json.dumps(lock))
    said = [
        f"warning: the flag '--override-input {name} {url}' does not match any input"
        for name, url in overrides.items()
        if name not in inputs(flake)
    ]
    known = changed["nodes"]["root"].setdefault("inputs", {})
    for name, url in inputs(flake).items():
        if name in known and name not in overrides:
            continue
        original = Ref.parse(url)
        node = changed["nodes"].setdefault(known.setdefault(name, name), {"original": original.original})
        before = node.get("locked")
        node["locked"] = fetch(store, Ref.parse(overrides.get(name, url)))
        if follows := followed(flake, name):
            node["inputs"] = follows
        if before != node["locked"]:
            said += _told(name, before, node["locked"])
    return changed, said


def _told(name: str, before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    if before is None:
        return [f"• Added input '{name}':", f"    {_shown(after)}"]
    return [f"• Updated input '{name}':", f"    {_shown(before)}", f"  → {_shown(after)}"]


def _shown(locked: dict[str, Any]) -> str:
    ref = Ref(url=locked["url"], ref=locked.get("ref"), rev=locked["rev"])
    return f"'{ref}' ({time.strftime('%Y-%m-%d', time.gmtime(locked['lastModified']))})"
