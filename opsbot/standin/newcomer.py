"""A project that joins a machine's platform: what is in a folder is pushed, and two lines of a pull request add it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from opsbot.standin import flake, repositories
from opsbot.standin.errors import NixError
from opsbot.standin.machine import Machine
from opsbot.standin.paths import write
from opsbot.standin.repositories import Repository

#: How many changed files the subject of a commit names.
_NAMED = 2
#: After the last line of such a form, one more can stand.
_INPUT = r'\s*[\w-]+(\.url| = \{ url) = ".*'
_MODULE = r"\s*inputs\.\S+\.nixosModules\.default"


def push(machine: Machine, name: str, folder: Path) -> str | None:
    """Make what is in FOLDER, but for what .gitignore names, the head of the project's main.

    Returns the subject of the commit; None if main has all of it already. Raises NixError with git's words.
    """
    path = machine.root / f"srv/git/{name}.git"
    repository = Repository(path) if path.exists() else Repository.create(path)
    git = _in(repository, folder)
    # An index of an earlier push knows files that may be gone.
    git("read-tree", "--empty")
    git("add", "--all", ".")
    tree, before = git("write-tree"), repository.find("refs/heads/main")
    changed = git("diff-tree", "-r", "--name-only", before, tree).splitlines() if before else []
    if before and not changed:
        return None
    subject = _subject(changed) if before else f"Begin {name}"
    commit = git("commit-tree", tree, *(("-p", before) if before else ()), "-m", subject)
    git("update-ref", "refs/heads/main", commit)
    return subject


def _in(repository: Repository, folder: Path) -> Callable[..., str]:
    name, _, mail = repositories.ANA.removesuffix(">").partition(" <")
    person = ("-c", f"user.name={name}", "-c", f"user.email={mail}")
    where = (f"--git-dir={repository.path}", f"--work-tree={folder}", "-C", str(folder))

    def git(*arguments: str) -> str:
        return flake.git(*where, *person, *arguments).decode().strip()

    return git


def _subject(changed: list[str]) -> str:
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    return f"Change {', '.join(changed[:_NAMED])}{more}"


def request(machine: Machine, name: str) -> tuple[str, str]:
    """Merge a pull request that adds a project to the platform, once; return its two lines.

    Its third file is flake.lock, which Nix writes. Raises NixError when the platform has no place for them.
    """
    platform = machine.repositories.platform
    before = platform.read("flake.nix")
    text, lines = _added(before, name, f"git+file://{machine.root}/srv/git/{name}.git?ref=main")
    if name in flake.inputs(before):
        return lines
    lock, _ = flake.relock(machine.store, text, json.loads(platform.read("flake.lock")), {})
    platform.commit(f"Add {name}", {"flake.nix": text, "flake.lock": flake.dump(lock)}, author=repositories.DAN)
    return lines


def _added(text: str, name: str, url: str) -> tuple[str, tuple[str, str]]:
    as_input = f'{name} = {{ url = "{url}"; inputs.nixpkgs.follows = "nixpkgs"; }};'
    as_module = f"inputs.{name}.nixosModules.default"
    rows = text.splitlines()
    for pattern, row in ((_INPUT, as_input), (_MODULE, as_module)):
        place = max((at for at, one in enumerate(rows) if re.fullmatch(pattern, one)), default=None)
        if place is None:
            raise NixError(f"flake.nix has no line like this one, after which it could stand: {row}")
        indent = rows[place][: len(rows[place]) - len(rows[place].lstrip())]
        rows.insert(place + 1, indent + row)
    return "\n".join(rows) + "\n", (as_input, as_module)


def declare(machine: Machine, name: str, *, homeserver: str, token: str) -> None:
    """Do what the module does on NixOS: the host knows the project, its service the homeserver and its token."""
    unit = f"{name}.service"
    said = json.loads(machine.host_json.read_text())
    url = f"file://{machine.root}/srv/git/{name}.git"
    said["projects"][name] = {"url": url, "branches": ["main"], "units": [unit], "settle": 3}
    said["restart"] = sorted({*said["restart"], unit})
    write(machine.host_json, json.dumps(said, indent=2))
    settings = machine.layout.settings | {"homeserver": homeserver}
    write(machine.root / "etc/standin/settings.json", json.dumps(settings))
    write(machine.layout.secrets / name / "token", token, mode=0o400)
