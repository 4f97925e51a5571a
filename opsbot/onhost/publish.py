"""Publish what was committed: `deployed/HOST` is what runs, and the same pin goes on top of main."""

import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from opsbot.onhost import files, git, lockfile
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError, told
from opsbot.onhost.repository import Repository
from opsbot.onhost.state import activation, folders, real
from opsbot.onhost.systems import commit_of_running, pins_of

_ATTEMPTS = 4
_CACHE = ("+refs/heads/*:refs/cache/heads/*", "+refs/tags/*:refs/cache/tags/*", "+refs/opsbot/*:refs/cache/opsbot/*")
_THERE = "+refs/heads/*:refs/there/*"
_PUSH = 120.0


class _MovedError(Exception):
    """The branch moved between the look and the push."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One commit on its way to the platform's repository."""

    config: Config
    job: str
    #: The repository of the publisher's own; no other user can write its settings.
    repository: Repository
    done: dict[str, Any]

    @property
    def overtaken(self) -> bool:
        """Whether another system was made the default since: then this job's is no longer what runs."""
        return bool(real(self.config.profile) != self.done["system"])

    @property
    def url(self) -> str:
        """Where to push to."""
        return self.config.platform.push_url or self.config.platform.url

    def there(self, branch: str) -> str | None:
        """Return the commit of a branch as it was fetched last."""
        return self.repository.commit_of(f"refs/there/{branch}^{{commit}}")

    def fetch(self) -> None:
        """Bring what was built here and what is there."""
        self.repository.mirror(str(folders(self.config).build("platform.git")), *_CACHE)
        self.repository.mirror(self.url, _THERE)

    def push(self, commit: str, branch: str, *options: str) -> None:
        """Push one commit to one branch; _MovedError when it moved, HostError when it is not wanted."""
        argv = ("push", "--quiet", "--no-verify", *options, "--", self.url, f"{commit}:refs/heads/{branch}")
        done = self.repository.try_git(*argv, within=_PUSH)
        if done.code != 0 and git.rejected(done.err):
            raise _MovedError
        if done.code != 0:
            raise HostError("failed", done.last_line)

    def deployed(self) -> str:
        """Put what runs on the host's own branch, whatever was on it."""
        commit, branch = self.done["commit"], f"deployed/{self.config.host}"
        if self.overtaken:
            return "newer"
        if not commit:
            return "The commit of this generation is not known."
        if not self.repository.has(commit):
            return f"The commit {commit[:7]} is on no branch that is known here."
        for _ in range(_ATTEMPTS):
            former = self.there(branch)
            if former == commit:
                return "pushed"
            try:
                self.push(commit, branch, f"--force-with-lease=refs/heads/{branch}:{former or ''}")
            except _MovedError:
                self.fetch()
                continue
            return "pushed"
        raise HostError("failed", f"{branch} keeps moving.")

    def main(self) -> dict[str, Any]:
        """Put the pin on top of main, or the commit on a branch of its own when main cannot take it."""
        if self.done.get("project") in (None, "platform"):
            return {"main": "untouched", "main_commit": self.there(self.config.platform.branch)}
        if self.overtaken and self._moved_on():
            return {"main": "untouched", "main_commit": self.there(self.config.platform.branch)}
        try:
            for _ in range(_ATTEMPTS):
                try:
                    return self._onto_main()
                except _MovedError:
                    self.fetch()
            why = "main keeps moving."
        except HostError as error:
            why = error.message
        branch = f"opsbot/{self.config.host}/{self.job}"
        self.push(self.done["commit"], branch, "--force")
        return {"main": "branch", "branch": branch, "why": why, "main_commit": self.there(self.config.platform.branch)}

    def _moved_on(self) -> bool:
        """Say whether the project has been moved since: main must not go back to this job's pin."""
        project, default = self.done["project"], real(self.config.profile)
        now = pins_of(self.config, commit_of_running(self.config), default)
        return bool(now.get(project) != self.done["pins"].get(project))

    def _onto_main(self) -> dict[str, Any]:
        branch, commit = self.config.platform.branch, self.done["commit"]
        head = self.there(branch)
        if head is None:
            raise HostError("failed", f"The platform's repository has no branch {branch}.")
        if head == self.done["base_commit"]:
            self.push(commit, branch)
            return {"main": "pushed", "main_commit": commit}
        name = self.config.project(self.done["project"]).input
        ours = lockfile.parse(self.repository.text(commit, "flake.lock"))
        theirs = lockfile.parse(self.repository.text(head, "flake.lock"))
        new = lockfile.graft(theirs, ours, name)
        if lockfile.pin(theirs, name) == lockfile.pin(ours, name):
            return {"main": "same", "main_commit": head}
        message = self.repository.git("log", "-1", "--format=%B", commit, "--")
        who = git.author(self.config.host)
        grafted = self.repository.commit_file(head, "flake.lock", lockfile.dump(new), message, who)
        self.push(grafted, branch)
        return {"main": "pushed", "main_commit": grafted}


def publish(config: Config, job: str) -> None:
    """Publish a committed job, unless that is done or another process does it; a failed one may be asked for again."""
    place = folders(config)
    folder = place.publication(job)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "result.json"
    with files.locked(folder / "lock", patience=1) as mine:
        if not mine or (files.read_json(path) or {}).get("status") == "published":
            return
        files.write_json(path, {"status": "running", "at": time.time()})
        try:
            result = {"status": "published", **_publish(config, job)}
        except HostError as error:
            result = {"status": "failed", "error": error.as_json()}
        except Exception as error:  # noqa: BLE001 - the end must be written down, whatever it was
            with suppress(OSError):  # the disk may be full, and the end fits where the log does not
                (folder / "log").write_text(traceback.format_exc(), encoding="utf-8")
            result = {"status": "failed", "error": told(error).as_json()}
        files.write_json(path, {**result, "at": time.time()})


def _publish(config: Config, job: str) -> dict[str, Any]:
    state = activation(config, job)
    if state is None or state["status"] != "committed":
        raise HostError("not-ready", f"Job {job} was not committed on this host.")
    path = folders(config).publication("platform.git")
    environment = git.environment(git.credential("push-key"))
    work = Publication(config=config, job=job, repository=Repository(path=path, environment=environment), done=state)
    work.fetch()
    deployed = work.deployed()
    return {"commit": state["commit"], "deployed": deployed, **work.main()}
