"""The demo's git repositories: a platform and its projects, with a history that somebody could have written."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsbot.standin import flake, samples
from opsbot.standin.nixstore import Store

_DAY = 86400.0
#: Branches of hello-bot that somebody works on; in the demo they may be deployed, to see what becomes of it.
UNMERGED = ("broken", "does-not-build", "slow")
ANA, BEN, DAN = "Ana Silva <ana@example.org>", "Ben Okafor <ben@example.org>", "Dan Weiss <dan@example.org>"


@dataclass(frozen=True)
class Repository:
    """A bare repository in a folder."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Repository":
        """Make an empty one, whose default branch is main."""
        flake.git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
        return cls(path)

    @property
    def url(self) -> str:
        """Its address for git."""
        return f"file://{self.path}"

    def commit(
        self,
        subject: str,
        files: Mapping[str, str],
        *,
        branch: str = "main",
        onto: str | None = None,
        author: str = ANA,
        days_ago: float = 0.0,
        tag: str | None = None,
        links: Mapping[str, str] | None = None,
    ) -> str:
        """Add a commit with FILES (by their names) to a branch, which begins at ONTO if it is new; return its id.

        LINKS are symbolic links by their names, each with what it leads to.
        """
        base = f"refs/heads/{branch}" if self._has(branch) else onto
        stamp = f"{author} {int(time.time() - days_ago * _DAY)} +0000"
        head = ["feature done", f"commit refs/heads/{branch}", "mark :1", f"author {stamp}", f"committer {stamp}"]
        parts = [*map(str.encode, head), _data(subject + "\n"), *([f"from {base}^0".encode()] if base else [])]
        for name, text in files.items():
            parts += [f"M 100644 inline {name}".encode(), _data(text)]
        for name, target in (links or {}).items():
            parts += [f"M 120000 inline {name}".encode(), _data(target)]
        if tag:
            parts += [f"reset refs/tags/{tag}\nfrom :1\n".encode()]
        parts += [b"get-mark :1", b"done\n"]
        command = ["git", "-C", str(self.path), "fast-import", "--quiet"]
        done = subprocess.run(command, input=b"\n".join(parts), stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().strip()

    def _has(self, branch: str) -> bool:
        packed = self.path / "packed-refs"
        ref = f"refs/heads/{branch}"
        return (self.path / ref).exists() or (packed.exists() and f" {ref}\n" in packed.read_text())

    def find(self, name: str) -> str | None:
        """Return the commit that NAME stands for, if there is one."""
        command = ["git", "-C", str(self.path), "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None

    def head(self, branch: str = "main") -> str:
        """Return the newest commit of a branch. Raises LookupError if there is no such branch."""
        found = self.find(f"refs/heads/{branch}")
        if found is None:
            raise LookupError(f"{self.path.name} has no branch {branch}")
        return found

    def read(self, file: str, revision: str = "main") -> str:
        """Return the text of a file at a revision."""
        return flake.git("-C", str(self.path), "show", f"{revision}:{file}").decode()

    def log(self, revision: str = "main") -> list[str]:
        """Return the subjects of the commits up to a revision, newest first."""
        return flake.git("-C", str(self.path), "log", "--format=%s", revision).decode().splitlines()


def _data(text: str) -> bytes:
    data = text.encode()
    return b"data %d\n" % len(data) + data


@dataclass(frozen=True, kw_only=True)
class Repositories:
    """The repositories of a team and what their host has run so far."""

    host: str
    platform: Repository
    projects: Mapping[str, Repository]
    #: The loopback port that each project's service listens on.
    ports: Mapping[str, int]
    #: The platform's commits that became generations, oldest first, each with its age in days.
    deployed: Sequence[tuple[str, float]] = ()

    def pin(self, store: Store, subject: str, pins: Mapping[str, str], *, days_ago: float = 0.0, **changes: Any) -> str:
        """Commit a platform whose inputs are PINS (commits by project) to its main.

        CHANGES are keys of platform.json; `services` replaces the services.
        """
        inputs = {name: (self.projects[name].url, self.ports[name]) for name in pins}
        services = changes.pop("services", samples.SERVICES)
        files = samples.platform(self.host, inputs, services, **changes)
        root = {name: name for name in ("nixpkgs", *pins)}
        nodes: dict[str, object] = {"nixpkgs": samples.NIXPKGS, "root": {"inputs": root}}
        for name, commit in pins.items():
            ref = flake.Ref(url=self.projects[name].url, ref="main", rev=commit)
            nodes[name] = {"locked": flake.fetch(store, ref), "original": flake.Ref(url=ref.url, ref="main").original}
        files["flake.lock"] = flake.dump({"nodes": nodes, "root": "root", "version": 7})
        return self.platform.commit(subject, files, author=DAN, days_ago=days_ago)


def make(folder: Path, store: Store, host: str, ports: Mapping[str, int]) -> Repositories:
    """Make the demo's repositories in FOLDER: three generations that ran, one commit of each kind that waits."""
    folder.mkdir(parents=True, exist_ok=True)
    hello, shop = (Repository.create(folder / f"{name}.git") for name in ("hello-bot", "web-shop"))
    platform = Repository.create(folder / "platform.git")
    team = Repositories(host=host, platform=platform, projects={"hello-bot": hello, "web-shop": shop}, ports=ports)
    hello_pins, shop_pin = _hello_bot(hello), _web_shop(shop)
    old = {key: facts for key, facts in samples.SERVICES.items() if key != "mautrix-slack"}
    commits = [
        (team.pin(store, "The platform with hello-bot", {"hello-bot": hello_pins[0]}, days_ago=40, services=old), 40.0),
        (team.pin(store, "Bridge to Slack", {"hello-bot": hello_pins[0]}, days_ago=21), 20.0),
    ]
    now = {"hello-bot": hello_pins[1], "web-shop": shop_pin}
    commits.append((team.pin(store, "Add web-shop; hello-bot 1.0", now, days_ago=9), 9.0))
    newer = samples.SERVICES | {"forgejo": samples.SERVICES["forgejo"] | {"version": "7.0.13"}}
    team.pin(store, "Forgejo 7.0.13", now, days_ago=1, services=newer)
    return Repositories(host=host, platform=platform, projects=team.projects, ports=ports, deployed=commits)


def _hello_bot(repository: Repository) -> tuple[str, str]:
    """Fill hello-bot; return the commits that ran on the host, older one first."""
    name = "hello-bot"
    first = repository.commit("Say hello", samples.project(name, "0.9", tested=False), days_ago=45)
    repository.commit("Say who we are in the README", {"README.md": f"# {name}\n"}, days_ago=30, author=BEN)
    second = repository.commit("Release 1.0", samples.project(name, "1.0", tested=False), days_ago=12, tag="v1.0")
    repository.commit("Test the greeting", samples.project(name, "1.0"), days_ago=3, author=BEN)
    newest = samples.project(name, "1.1", hello="Good morning")
    repository.commit("Greet more warmly", newest, days_ago=0.2)
    for branch, subject, behaviour in (
        ("broken", "Read the token from the environment", "crashes"),
        ("does-not-build", "Shorten the greeting", "does-not-build"),
        ("slow", "Build the native extension", "slow"),
    ):
        files = samples.project(name, "1.2", hello="Good morning", behaviour=behaviour)
        repository.commit(subject, files, branch=branch, onto="main", author=BEN, days_ago=0.1)
    return first, second


def _web_shop(repository: Repository) -> str:
    repository.commit("A shop", samples.project("web-shop", "2.2", tested=False), author=BEN, days_ago=15)
    return repository.commit("Sell stickers", samples.project("web-shop", "2.3", tested=False), author=BEN, days_ago=10)
