from typing import Any

import pytest

from opsbot.onhost import lockfile
from opsbot.onhost.errors import HostError

OLD, NEW = "a" * 40, "b" * 40


def _git(rev: str, url: str = "https://git.example.org/hello-bot.git", **more: Any) -> dict[str, Any]:
    return {
        "locked": {"type": "git", "url": url, "ref": "main", "rev": rev, "narHash": f"sha256-{rev[:4]}"},
        "original": {"type": "git", "url": url, "ref": "main"},
        **more,
    }


def _lock(nodes: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    return {"nodes": {**nodes, "root": {"inputs": inputs}}, "root": "root", "version": 7}


NIXPKGS = {
    "locked": {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "c" * 40},
    "original": {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "ref": "nixos-24.05"},
}
LIBRARY = _git("d" * 40, "https://git.example.org/library.git")


def _both(rev: str, **nodes: Any) -> dict[str, Any]:
    hello = _git(rev, inputs={"nixpkgs": ["nixpkgs"], "library": "library"})
    return _lock(
        {"hello-bot": hello, "nixpkgs": NIXPKGS, "library": LIBRARY, **nodes},
        nixpkgs="nixpkgs",
        **{"hello-bot": "hello-bot"},
    )


def test_a_pin_is_the_commit_of_an_input() -> None:
    """The pin of an input is the commit in the lock, and inputs that are not there are told."""
    assert lockfile.pin(_both(OLD), "hello-bot") == OLD
    assert lockfile.pins(_both(OLD), {"hello-bot": "hello-bot", "shop": "web-shop"}) == {"hello-bot": OLD}
    with pytest.raises(HostError, match="has no input web-shop"):
        lockfile.pin(_both(OLD), "web-shop")


def test_an_input_that_does_not_run_yet_comes_with_the_platform() -> None:
    """Of a project that what runs does not have, the answer says how it comes there."""
    assert lockfile.running_pin(_both(OLD), "hello-bot") == OLD
    with pytest.raises(HostError, match=r"If it is new on the platform: `!deploy platform`\."):
        lockfile.running_pin(_both(OLD), "web-shop")


def test_an_input_that_follows_another_cannot_be_pinned() -> None:
    """An input of the platform that only follows another one has no pin of its own."""
    with pytest.raises(HostError, match="of its own"):
        lockfile.pin(_lock({"nixpkgs": NIXPKGS}, nixpkgs="nixpkgs", pkgs=["nixpkgs"]), "pkgs")


def test_an_input_with_inputs_of_its_own_may_move_with_them() -> None:
    """What moves with an input are the inputs that only it has."""
    new = _both(NEW, library=_git("e" * 40, "https://git.example.org/library.git"))
    lockfile.check_moved(_both(OLD), new, "hello-bot", NEW)


def test_anything_else_that_moved_is_refused() -> None:
    """A lock in which another input moved, too, is refused."""
    moved = {**NIXPKGS, "locked": {**NIXPKGS["locked"], "rev": "f" * 40}}
    with pytest.raises(HostError, match="other inputs"):
        lockfile.check_moved(_both(OLD), _both(NEW, nixpkgs=moved), "hello-bot", NEW)
    added = _both(NEW)
    added["nodes"]["root"] = {"inputs": {**added["nodes"]["root"]["inputs"], "extra": "library"}}
    with pytest.raises(HostError, match="other inputs"):
        lockfile.check_moved(_both(OLD), added, "hello-bot", NEW)


def test_another_origin_or_another_commit_is_refused() -> None:
    """An input that now comes from elsewhere, or is not at the wanted commit, is refused."""
    elsewhere = _both(NEW)
    elsewhere["nodes"]["hello-bot"] = {**elsewhere["nodes"]["hello-bot"], "original": {"type": "git", "url": "x"}}
    with pytest.raises(HostError, match="where it comes from"):
        lockfile.check_moved(_both(OLD), elsewhere, "hello-bot", NEW)
    with pytest.raises(HostError, match="in place of"):
        lockfile.check_moved(_both(OLD), _both(OLD), "hello-bot", NEW)


@pytest.mark.parametrize(
    "locked",
    [
        {"type": "path", "path": "/run/credentials", "narHash": "sha256-x"},
        {"type": "git", "url": "file:///srv/git/secret.git", "rev": "e" * 40},
        {"type": "hg", "url": "/srv/hg/secret", "rev": "e" * 40},
        {"type": "tarball", "url": "FILE:///var/backups/all.tar.gz"},
        {"type": "file", "url": "file:///etc/passwd"},
    ],
    ids=lambda locked: locked["type"],
)
def test_a_project_takes_nothing_of_the_host_along(locked: dict[str, Any]) -> None:
    """A project that takes a folder, file or repository of the host as its input is refused; what was so may stay."""
    new = _both(NEW, library={"locked": locked, "original": {}})
    with pytest.raises(HostError, match="of this host along; inputs come from a forge"):
        lockfile.check_moved(_both(OLD), new, "hello-bot", NEW)
    lockfile.check_moved(_both(OLD, library=new["nodes"]["library"]), new, "hello-bot", NEW)


def test_a_part_of_the_same_repository_may_be_an_input() -> None:
    """An input that is a folder within the project's own repository is no folder of the host."""
    new = _both(NEW, library={"locked": {"type": "path", "path": "./library"}, "original": {}, "parent": ["hello-bot"]})
    lockfile.check_moved(_both(OLD), new, "hello-bot", NEW)


@pytest.mark.parametrize(
    ("locked", "ref", "url"),
    [
        ({"type": "git", "url": "file:///srv/x.git"}, "refs/heads/main", f"git+file:///srv/x.git?ref=main&rev={NEW}"),
        (
            {"type": "git", "url": "ssh://git@h/x?a=1"},
            "refs/tags/v1",
            f"git+ssh://git@h/x?a=1&ref=refs/tags/v1&rev={NEW}",
        ),
        (
            {"type": "git", "url": "https://h/x", "dir": "nix"},
            "refs/heads/a/b",
            f"git+https://h/x?ref=a/b&rev={NEW}&dir=nix",
        ),
        ({"type": "github", "owner": "o", "repo": "r"}, "refs/heads/main", f"github:o/r/{NEW}"),
        ({"type": "gitlab", "owner": "o", "repo": "r", "host": "h", "dir": "d"}, "x", f"gitlab:o/r/{NEW}?host=h&dir=d"),
        ({"type": "sourcehut", "owner": "~o", "repo": "r"}, "refs/heads/main", f"sourcehut:~o/r/{NEW}"),
    ],
)
def test_each_kind_of_input_is_pinned_by_its_own_url(locked: dict[str, Any], ref: str, url: str) -> None:
    """Git, GitHub, GitLab and SourceHut inputs are pinned to a commit by a flake reference of their kind."""
    assert lockfile.override_url(locked, ref, NEW) == url


def test_an_input_without_commits_cannot_be_pinned() -> None:
    """A tarball or a path has no commits to be pinned to."""
    with pytest.raises(HostError, match="type tarball"):
        lockfile.override_url({"type": "tarball", "url": "x"}, "refs/heads/main", NEW)


def test_a_graft_moves_one_pin_onto_another_lock() -> None:
    """Grafting takes the input, and what only it has, from one lock onto another that may be far ahead."""
    ahead = _both(OLD, nixpkgs={**NIXPKGS, "locked": {**NIXPKGS["locked"], "rev": "9" * 40}})
    source = _both(NEW, library=_git("e" * 40, "https://git.example.org/library.git"))
    new = lockfile.graft(ahead, source, "hello-bot")
    assert lockfile.pin(new, "hello-bot") == NEW
    assert new["nodes"]["library"]["locked"]["rev"] == "e" * 40
    assert new["nodes"]["nixpkgs"] == ahead["nodes"]["nixpkgs"]
    lockfile.check_moved(ahead, new, "hello-bot", NEW)


def test_a_graft_does_not_overwrite_what_has_the_same_name() -> None:
    """Nodes that have the same name in both locks, but are others, keep their own content."""
    other = _git("7" * 40, "https://git.example.org/other.git")
    onto = _lock(
        {"hello-bot": _git(OLD, inputs={"nixpkgs": ["nixpkgs"], "library": "library_2"}), "nixpkgs": NIXPKGS,
         "library": other, "library_2": LIBRARY},
        nixpkgs="nixpkgs", library="library", **{"hello-bot": "hello-bot"},
    )  # fmt: skip
    new = lockfile.graft(onto, _both(NEW), "hello-bot")
    assert new["nodes"]["library"] == other
    assert new["nodes"][new["nodes"]["hello-bot"]["inputs"]["library"]] == LIBRARY
    assert set(new["nodes"]) == set(onto["nodes"])


def test_a_graft_is_refused_when_what_it_follows_is_not_there() -> None:
    """An input that follows another one cannot be put onto a lock that has not got that one."""
    with pytest.raises(HostError, match="follow"):
        lockfile.graft(_lock({"hello-bot": _git(OLD)}, **{"hello-bot": "hello-bot"}), _both(NEW), "hello-bot")


def test_a_graft_is_refused_when_the_input_is_another_one() -> None:
    """An input that comes from elsewhere on main is left alone."""
    with pytest.raises(HostError, match="somewhere else"):
        lockfile.graft(_lock({"hello-bot": _git(OLD, "x")}, **{"hello-bot": "hello-bot"}), _both(NEW), "hello-bot")


@pytest.mark.parametrize(
    "text", ["", "[]", "<<<<<<< HEAD", '{"nodes": {}}', '{"nodes": {"root": {}}, "root": "root", "version": 99}']
)
def test_what_is_no_lock_is_refused(text: str) -> None:
    """Conflict markers, other JSON and unknown versions are no lock."""
    with pytest.raises(HostError) as refused:
        lockfile.parse(text)
    assert refused.value.code == "lock"


def test_a_lock_is_written_as_nix_writes_it() -> None:
    """Written back, a lock has Nix's own layout, so that nobody sees a difference that is none."""
    text = '{\n  "nodes": {\n    "root": {}\n  },\n  "root": "root",\n  "version": 7\n}\n'
    assert lockfile.dump(lockfile.parse(text)) == text
