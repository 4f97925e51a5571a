"""Git's command lines and its words, as pure functions."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from opsbot.onhost.grammar import COMMIT, SHORT_COMMIT

#: What a cache holds of the repository that it mirrors; refs/opsbot is our own and stays.
MIRROR = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
#: Our settings win over those in a repository that another user of the host could have written.
GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10"
_FORMAT = "--format=%H%x00%s%x00%an"

Argv = tuple[str, ...]


def environment(key: Path | None = None) -> dict[str, str]:
    """Return git's environment: nobody's settings, no questions, known transports, and the ssh KEY if there is one."""
    ssh = f"{_SSH} -o IdentitiesOnly=yes -i {quote(str(key))}" if key else _SSH
    return {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(Path(__file__).with_name("gitconfig")),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:https:http:ssh",
        "GIT_SSH_COMMAND": ssh,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C.UTF-8",
    }


def credential(*names: str) -> Path | None:
    """Return the first of the unit's credentials that holds an ssh key."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    for name in names if folder else ():
        path = Path(str(folder)) / name
        if path.exists() and path.read_bytes().startswith(b"-----BEGIN"):
            return path
    return None


def author(host: str) -> dict[str, str]:
    """Return the environment that makes opsbot the author of a commit."""
    who = {"NAME": "opsbot", "EMAIL": f"opsbot@{host}"}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}


def fetch(url: str, *refspecs: str) -> Argv:
    """Bring branches and tags of URL into a bare repository."""
    return ("fetch", "--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head", "--", url, *refspecs)


def ls_remote(url: str, ref: str) -> Argv:
    """Ask for the commit of one full name at URL."""
    return (*GIT, "ls-remote", "--", url, ref)


def log(old: str, new: str, count: int = 20) -> Argv:
    """Ask for the newest commits that NEW has and OLD has not."""
    return ("log", _FORMAT, f"--max-count={count}", f"{old}..{new}", "--")


def parse_log(text: str) -> list[dict[str, str]]:
    """Read what `log` said."""
    # git ends its lines with a line feed alone; what else Python takes for an end may stand in anybody's subject.
    rows = [row for line in text.split("\n") if len(row := line.split("\0")) == 3]  # noqa: PLR2004 - three fields
    named = [row for row in rows if COMMIT.fullmatch(row[0])]
    return [{"commit": commit, "subject": subject[:200], "author": author[:100]} for commit, subject, author in named]


def parse_ls_remote(text: str, ref: str) -> str | None:
    """Return the commit of REF in what `ls-remote` said, if it is there."""
    rows = [line.partition("\t") for line in text.split("\n")]
    return next((commit for commit, _, name in rows if name == ref and COMMIT.fullmatch(commit)), None)


def candidates(revision: str) -> Iterator[tuple[str, str]]:
    """Yield what a typed revision may mean, in order: the full name, and what to ask git for."""
    yield f"refs/heads/{revision}", f"refs/heads/{revision}^{{commit}}"
    yield f"refs/tags/{revision}", f"refs/tags/{revision}^{{commit}}"
    if SHORT_COMMIT.fullmatch(revision):
        yield "", f"{revision}^{{commit}}"


def best_ref(refs: Sequence[str], branch: str) -> str | None:
    """Choose, among full names, the configured branch, else a branch, else a tag."""
    preferred = f"refs/heads/{branch}"
    return preferred if preferred in refs else min(refs, default=None)


def message(title: str, paragraphs: tuple[str, ...], trailers: Mapping[str, str]) -> str:
    """Write a commit message; empty paragraphs are left out."""
    end = "\n".join(f"{key}: {value}" for key, value in trailers.items())
    return "\n\n".join([title, *(text for text in paragraphs if text), end]) + "\n"


def rejected(text: str) -> bool:
    """Say whether a push failed because the branch had moved, so that it may be tried again."""
    return any(word in text for word in ("fetch first", "non-fast-forward", "cannot lock ref", "stale info"))
