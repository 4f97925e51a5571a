"""What may be deployed at all, whoever asks: commits on the branches that this host's own configuration protects."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from opsbot.onhost import git, lockfile, signed
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.grammar import COMMIT
from opsbot.onhost.repository import Repository
from opsbot.onhost.run import Account
from opsbot.onhost.state import activation, folders, holder, real
from opsbot.onhost.systems import commit_of_running, ledger

_NAMED = 3
Caches = Callable[[str], Repository]


def admit(config: Config, project: str, cache: Repository, commit: str, caches: Caches, *, typed: str = "") -> str:
    """Return the protected branch or tag that a commit is on, the TYPED one if it is one; HostError when on none.

    Where signatures are asked for, it must have one, too. CACHES gives the repository of a project.
    """
    remote = config.remote(project)
    there = cache.refs(commit)
    protected = [ref for ref in there if remote.protects(ref)]
    if not protected:
        wanted = _listed([*remote.branches, *remote.tags])
        message = (
            f"{commit[:7]} of {project} is on {_listed([_short(ref) for ref in there])}, and {config.host} takes only "
            f"what is on {wanted}: merge it, or add its branch to `branches` of {project} in the host's configuration."
        )
        raise HostError("unprotected", message)
    if remote.signers:
        signed.check(config, project, cache, commit, lambda name, pin: admit(config, name, caches(name), pin, caches))
    return typed if typed in protected else str(git.best_ref(protected, remote.branch))


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")[:60]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more if names else "no branch and no tag"


def admit_base(config: Config, platform: Repository, commit: str) -> None:
    """Refuse a running commit that is on no protected branch, is not what this host published, and not its own work."""
    running = real(config.running)
    entry = ledger(config).by_system(running)
    # Root has put it in place by way of opsbot; it may not be published yet, …
    if entry and entry.job and entry.commit == commit:
        return
    # … or still be waiting to be confirmed.
    job = holder(config)
    at_work = (activation(config, job) if job else None) or {}
    if (at_work.get("system"), at_work.get("commit")) == (running, commit):
        return
    own = f"refs/heads/deployed/{config.host}"
    if not any(config.platform.protects(ref) or ref == own for ref in platform.refs(commit)):
        raise HostError(
            "no-base",
            f"The running system was built from {commit[:7]}, which is on none of the platform's branches that count "
            f"({_listed(list(config.platform.branches))}): push or merge that commit there, and ask again.",
        )


def verify(config: Config, target: dict[str, Any]) -> None:
    """Look at a build with root's own eyes: the running commit with one pin moved to a protected commit, no more.

    What runs, and what is protected, root knows by itself. The commits are read in the caches of the user who built.
    """
    project, commit, base = (str(target[key]) for key in ("project", "commit", "base_commit"))
    if not COMMIT.fullmatch(commit) or base != commit_of_running(config):
        raise HostError("base-moved", "This was not built from the commit that runs; prepare it again.")
    caches = partial(_cache, config)
    platform = caches("platform")
    if project == "platform":
        admit(config, project, platform, commit, caches)
        return
    name = config.project(project).input
    if platform.changed(base, commit) != ["flake.lock"]:
        raise HostError("lock", f"The build is not the running commit with one pin of {project} moved.")
    old, new = (lockfile.parse(platform.text(revision, "flake.lock")) for revision in (base, commit))
    pin = lockfile.pin(new, name)
    lockfile.check_moved(old, new, name, pin)
    admit(config, project, caches(project), pin, caches)


def _cache(config: Config, name: str) -> Repository:
    """Return a cache of the builder's for root to read: git runs as its owner, whose settings it may hold."""
    path = folders(config).build(f"{name}.git")
    try:
        account = Account(user=path.lstat().st_uid, group=config.state.stat().st_gid)
    except OSError as error:
        raise HostError("failed", f"The cache of {name} is gone; prepare it again.") from error
    return Repository(path=path, environment={**git.environment(), "PATH": os.environ["PATH"]}, account=account)
