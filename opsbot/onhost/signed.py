"""Who has signed a commit, where the host's configuration wants to know: git's own SSH signatures."""

from collections.abc import Callable
from pathlib import Path

from opsbot.onhost import lockfile
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.repository import Repository

#: Pins that may lie on top of the last signed commit of the platform.
_PINS = 100
#: Keys that are not in the file count as nobody's, and no other kind of signature counts at all.
_STRICT = ("gpg.minTrustLevel=fully", "gpg.program=false", "gpg.x509.program=false", "gpg.ssh.program=ssh-keygen")

#: Sees whether a commit of a project may be deployed; HostError when not.
Admits = Callable[[str, str], object]


def is_signed(cache: Repository, commit: str, signers: Path) -> bool:
    """Say whether a commit is signed by a key of the file."""
    settings = (f"gpg.ssh.allowedSignersFile={signers}", *_STRICT)
    options = [word for setting in settings for word in ("-c", setting)]
    return cache.try_git(*options, "verify-commit", commit).code == 0


def check(config: Config, project: str, cache: Repository, commit: str, admits: Admits) -> None:
    """Refuse a commit that nobody of the file has signed.

    Of the platform, pins on top of a signed commit need no signature of their own: ADMITS looks at what they pin.
    """
    signers, below = config.remote(project).signers, commit
    if signers is None:
        return
    for _ in range(_PINS):
        if is_signed(cache, below, signers):
            return
        parent = _below(config, cache, below, admits) if project == "platform" else None
        if parent is None:
            break
        below = parent
    raise HostError(
        "unsigned",
        f"{below[:7]} of {project} is not signed by a key that {config.host} lists in {signers}: sign it "
        "with one of them (`git commit --amend -S`), or have its key added there.",
    )


def _below(config: Config, platform: Repository, commit: str, admits: Admits) -> str | None:
    """Return the parent of a commit that moves one pin of a project and nothing else; None of any other commit."""
    parent = platform.commit_of(f"{commit}^")
    if parent is None or platform.changed(parent, commit) != ["flake.lock"]:
        return None
    old, new = (lockfile.parse(platform.text(revision, "flake.lock")) for revision in (parent, commit))
    for name, project in config.projects.items():
        try:
            pin = lockfile.pin(new, project.input)
            lockfile.check_moved(old, new, project.input, pin)
        except HostError:
            continue
        admits(name, pin)
        return parent
    return None
