"""flake.lock as JSON: what is pinned, what moved, and one pin put onto another lock. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from opsbot.onhost.errors import HostError

Lock = Mapping[str, Any]

#: How deep a lock nests at most; Nix's own does four times.
_DEEPEST = 12


def parse(text: str) -> Lock:
    """Read a lock file; one that is no lock (conflict markers, another version) is refused."""
    try:
        lock = json.loads(text)
    except (ValueError, RecursionError):
        lock = None
    if not isinstance(lock, dict) or not _is_flat(lock, _DEEPEST) or not _has_nodes(lock):
        raise HostError("lock", "flake.lock cannot be read.")
    if lock.get("version") not in (5, 6, 7):
        raise HostError("lock", f"flake.lock has the version {str(lock.get('version'))[:20]}, which is not known here.")
    return lock


def _is_flat(value: Any, left: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left > 0 and all(_is_flat(one, left - 1) for one in inner)


def _has_nodes(lock: Mapping[str, Any]) -> bool:
    """Say whether a lock is made of nodes, and each names its inputs: by a node, or by the way to another input."""
    nodes = lock.get("nodes")
    if not isinstance(nodes, dict) or not all(isinstance(one, dict) for one in nodes.values()):
        return False
    if not all(isinstance(one.get("locked") or {}, dict) for one in nodes.values()):
        return False
    inputs = [one.get("inputs", {}) for one in nodes.values()]
    if not all(isinstance(one, dict) for one in inputs) or not isinstance(lock.get("root"), str):
        return False
    targets = [target for one in inputs for target in one.values()]
    ways = [step for target in targets if isinstance(target, list) for step in target]
    known = {target for target in targets if isinstance(target, str)} | {lock["root"]}
    return (
        known <= nodes.keys()
        and all(isinstance(target, str | list) for target in targets)
        and all(isinstance(step, str) for step in ways)
    )


def dump(lock: Lock) -> str:
    """Write a lock the way Nix writes it."""
    return json.dumps(lock, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def node_name(lock: Lock, name: str) -> str:
    """Return the node that an input of the platform stands for; one that it does not have is refused."""
    node = lock["nodes"][lock["root"]].get("inputs", {}).get(name)
    if not isinstance(node, str):
        raise HostError("lock", f"The platform's flake.lock has no input {name} of its own.")
    return node


def node(lock: Lock, name: str) -> Mapping[str, Any]:
    """Return the node of an input of the platform."""
    found = lock["nodes"].get(node_name(lock, name))
    if not isinstance(found, dict) or not isinstance(found.get("locked"), dict):
        raise HostError("lock", f"The input {name} is not locked in the platform's flake.lock.")
    return found


def pin(lock: Lock, name: str) -> str:
    """Return the commit that an input is pinned to."""
    rev = node(lock, name)["locked"].get("rev")
    if not isinstance(rev, str):
        raise HostError("lock", f"The input {name} is not pinned to a commit.")
    return rev


def running_pin(lock: Lock, name: str) -> str:
    """Return the commit that an input is pinned to in what runs; main may have one that does not run yet."""
    if name not in lock["nodes"][lock["root"]].get("inputs", {}):
        raise HostError("lock", f"What runs has no input {name}. If it is new on the platform: `!deploy platform`.")
    return pin(lock, name)


def pins(lock: Lock, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the commit of each project; INPUTS maps a project to its input. Those without a pin are left out."""
    found = {}
    for project, name in inputs.items():
        try:
            found[project] = pin(lock, name)
        except HostError:
            continue
    return found


def override_url(locked: Mapping[str, Any], ref: str, rev: str) -> str:
    """Return the flake reference that pins an input to REV, which is on the full name REF.

    Only kinds of input that name a git commit can be pinned; others are refused.
    """
    kind = locked.get("type")
    folder = f"&dir={quote(_said(locked, 'dir'))}" if "dir" in locked else ""
    if kind == "git":
        url = _said(locked, "url")
        mark = "&" if "?" in url else "?"
        extra = "&submodules=1" if locked.get("submodules") else ""
        return f"git+{url}{mark}ref={quote(ref.removeprefix('refs/heads/'), safe='/')}&rev={rev}{extra}{folder}"
    if kind in ("github", "gitlab", "sourcehut"):
        owner, repo = quote(_said(locked, "owner"), safe="~"), quote(_said(locked, "repo"))
        host = f"&host={quote(_said(locked, 'host'), safe=':')}" if "host" in locked else ""
        query = (host + folder).replace("&", "?", 1)
        return f"{kind}:{owner}/{repo}/{rev}{query}"
    raise HostError("lock", f"An input of type {str(kind)[:40]} cannot be pinned to a commit; use a git URL.")


def _said(locked: Mapping[str, Any], key: str) -> str:
    """Return a word of a locked input as it can stand in an address."""
    word = locked.get(key)
    if not isinstance(word, str) or not word.isascii() or not word.isprintable() or set(word) & set(" #"):
        raise HostError("lock", f"The {key} of an input in flake.lock is none that can stand in an address.")
    return word


def _reach(lock: Lock, start: str) -> Iterator[str]:
    seen, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        todo += [target for target in lock["nodes"][name].get("inputs", {}).values() if isinstance(target, str)]


def _same_others(old: Lock, new: Lock, name: str) -> bool:
    """Say whether all but one input of two locks is the same, by what is found on each way rather than by names.

    Pairs of nodes that were compared once are not compared again: a lock of a few lines can have more ways than
    anybody walks.
    """
    seen: set[tuple[str, str]] = set()
    todo = [(old["root"], new["root"])]
    while todo:
        pair = todo.pop()
        if pair in seen:
            continue
        seen.add(pair)
        one, two = old["nodes"][pair[0]], new["nodes"][pair[1]]
        mine, theirs = dict(one.get("inputs", {})), dict(two.get("inputs", {}))
        if pair == (old["root"], new["root"]):
            mine.pop(name, None), theirs.pop(name, None)
        if {**one, "inputs": None} != {**two, "inputs": None} or mine.keys() != theirs.keys():
            return False
        for key, target in mine.items():
            if isinstance(target, str) and isinstance(theirs[key], str):
                todo.append((target, theirs[key]))
            elif target != theirs[key]:
                return False
    return True


def _on_this_machine(locked: Mapping[str, Any]) -> str | None:
    """Return the address of what is locked when it is a folder, a file or a repository of this machine's own."""
    if locked.get("type") == "path":
        path = str(locked.get("path", ""))
        # A part of the same repository is named from there.
        return f"path:{path}" if path.startswith("/") else None
    url = str(locked.get("url", ""))
    return url if url.lower().startswith(("file:", "/")) else None


def check_inputs(old: Lock, new: Lock, name: str) -> None:
    """Refuse inputs of the one input's own that come from the host's files: a project could take secrets with it."""
    known = [found.get("locked") for found in old["nodes"].values()]
    for key in _reach(new, node_name(new, name)):
        locked = new["nodes"][key].get("locked") or {}
        address = _on_this_machine(locked)
        # Where the project itself comes from is said by the platform.
        if address is not None and key != node_name(new, name) and locked not in known:
            raise HostError("lock", f"{name} would take {address} of this host along; inputs come from a forge.")


def check_moved(old: Lock, new: Lock, name: str, rev: str) -> None:
    """Refuse a new lock in which anything but the one input moved, it is not at REV, or brings files of the host."""
    if not _same_others(old, new, name):
        raise HostError(
            "lock", f"Locking {name} would have moved other inputs too; the platform's flake.lock is stale."
        )
    if node(old, name).get("original") != node(new, name).get("original"):
        raise HostError("lock", f"Locking {name} would have changed where it comes from.")
    if pin(new, name) != rev:
        raise HostError("lock", f"Nix pinned {name} to {pin(new, name)} in place of {rev}.")
    check_inputs(old, new, name)


def _at(lock: Lock, way: tuple[str, ...], walked: frozenset[tuple[str, ...]] = frozenset()) -> str | None:
    """Return the node at the end of a way from the root; None where it leads nowhere, or in a circle."""
    here: str | None = lock["root"]
    if way in walked:
        return None
    for step in way:
        target = None if here is None else lock["nodes"][here].get("inputs", {}).get(step)
        here = _at(lock, tuple(target), walked | {way}) if isinstance(target, list) else target
    return here


def graft(onto: Lock, source: Lock, name: str) -> Lock:
    """Return ONTO with the one input pinned as in SOURCE; refused when the input is not the same one in both."""
    if node(onto, name).get("original") != node(source, name).get("original"):
        raise HostError("lock", f"The platform's main takes {name} from somewhere else.")
    old_top, new_top = node_name(onto, name), node_name(source, name)
    kept = {key: onto["nodes"][key] for key in _reach(_without(onto, name), onto["root"])}
    names: dict[str, str] = {}
    for key in sorted(_reach(source, new_top), key=lambda key: (key != new_top, key)):
        names[key] = _free(old_top if key == new_top else key, kept.keys() | set(names.values()))
    for key, fresh in names.items():
        kept[fresh] = _renamed(source["nodes"][key], names)
    root = onto["nodes"][onto["root"]]
    top = {**root, "inputs": {**root["inputs"], name: names[new_top]}}
    result = {**onto, "nodes": {**kept, onto["root"]: top}}
    targets = [target for found in result["nodes"].values() for target in found.get("inputs", {}).values()]
    if any(_at(result, tuple(target)) is None for target in targets if isinstance(target, list)):
        raise HostError("lock", f"The platform's main and {name} do not follow the same inputs.")
    return result


def _without(lock: Lock, name: str) -> Lock:
    root = lock["nodes"][lock["root"]]
    inputs = {key: target for key, target in root["inputs"].items() if key != name}
    return {**lock, "nodes": {**lock["nodes"], lock["root"]: {**root, "inputs": inputs}}}


def _renamed(found: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    if "inputs" not in found:
        return found
    inputs = {key: names[target] if isinstance(target, str) else target for key, target in found["inputs"].items()}
    return {**found, "inputs": inputs}


def _free(wanted: str, taken: set[str]) -> str:
    fresh, count = wanted, 1
    while fresh in taken:
        count += 1
        fresh = f"{wanted}_{count}"
    return fresh
