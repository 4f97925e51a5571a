"""Build what a deploy would put in place: the commit that runs, with one input moved, and nothing else."""

import shutil
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opsbot.onhost import files, git, lockfile, nix, protected
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError, StoppedError, told
from opsbot.onhost.repository import Repository
from opsbot.onhost.run import Done, must, run
from opsbot.onhost.state import all_jobs, asked, cancelled, folders, real
from opsbot.onhost.systems import commit_of_running

_LOCKING = 600.0
_BUILDING = 4 * 3600.0
_KEPT = 50


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The commit of the platform to build, and what is to be told about it."""

    commit: str
    told: dict[str, Any]


class _Unchanged(Exception):  # noqa: N818 - it is no error: this revision is what runs
    """What was asked for is what runs."""


class Preparation:
    """The build of one job. `go` does it once; asked again after an end it does nothing."""

    def __init__(self, config: Config, job: str, request: dict[str, Any]) -> None:
        self.config, self.job = config, job
        self.project: str = request["project"]
        self.remote = config.remote(self.project)
        self.revision: str = request["revision"] or self.remote.branch
        self.note: str = request["note"]
        self.held: list[str] = list(request["held"])
        self.folder = folders(config).build(job)
        self.log = self.folder / "log"
        self.began = time.time()
        self.told: dict[str, Any] = {"project": self.project, "revision": self.revision}

    @cached_property
    def environment(self) -> dict[str, str]:
        """What git is told, here and below Nix."""
        return git.environment(git.credential("fetch-key"))

    def _stop(self) -> bool:
        return cancelled(self.config, self.job)

    def _tell(self, status: str, **more: Any) -> None:
        self.told |= more
        times = {"seconds": round(time.time() - self.began, 1), "at": time.time()}
        files.write_json(self.folder / "result.json", {**self.told, **times, "status": status})

    def _say(self, line: str) -> None:
        with suppress(OSError), self.log.open("a", encoding="utf-8") as file:
            file.write(f"opsbot: {line}\n")

    def go(self) -> None:
        """Build, and write down how it ended."""
        self._tell("running")
        try:
            self._check_stop()
            self._tell("built", system=self._build(self._wanted()))
        except _Unchanged:
            self._tell("unchanged")
        except StoppedError:
            self._tell("cancelled")
        except HostError as error:
            self._fail(error, error.message)
        except Exception as error:  # noqa: BLE001 - the end of a job must be written down, whatever it was
            self._fail(told(error), traceback.format_exc())
        finally:
            shutil.rmtree(self.folder / "source", ignore_errors=True)

    def _fail(self, error: HostError, words: str) -> None:
        # First: the disk may be full, and this makes the room in which to say so.
        shutil.rmtree(self.folder / "source", ignore_errors=True)
        self._tell("failed", error=error.as_json())
        self._say(words)

    def _check_stop(self) -> None:
        if self._stop():
            raise StoppedError

    def _cache(self, name: str) -> Repository:
        self._check_stop()
        self._say(f"fetching {name}")
        path = folders(self.config).build(f"{name}.git")
        cache = Repository(path=path, environment=self.environment, stop=self._stop)
        cache.mirror(self.config.remote(name).url)
        return cache

    def _wanted(self) -> Wanted:
        base, commit = real(self.config.running), commit_of_running(self.config)
        if commit is None:
            raise HostError(
                "no-base",
                "The running system does not say which commit it was built from: set system.configurationRevision "
                "to self.rev and switch once from a clean checkout of the platform.",
            )
        platform = self._cache("platform")
        if not platform.has(commit):
            raise HostError(
                "no-base",
                f"The running system was built from {commit[:7]}, which the platform's repository does not have: "
                f"push it there, to {self.config.platform.branch}, and ask again.",
            )
        protected.admit_base(self.config, platform, commit)
        self._tell("running", base=base, base_commit=commit, base_pins=self._pins(platform, commit))
        return self._of_platform(platform) if self.project == "platform" else self._of_project(platform)

    def _pins(self, platform: Repository, commit: str) -> dict[str, str]:
        inputs = {name: project.input for name, project in self.config.projects.items()}
        with suppress(HostError):
            pins = lockfile.pins(lockfile.parse(platform.text(commit, "flake.lock")), inputs)
            folder = folders(self.config).build("pins")
            folder.mkdir(exist_ok=True)
            files.write_json(folder / f"{commit}.json", pins)
            return pins
        return {}

    def _pin(self, cache: Repository, before: str) -> tuple[str, str]:
        """Return the commit that is wanted and the protected branch or tag that it is on; tell what it brings."""
        pin, typed = cache.resolve(self.revision)
        ref = protected.admit(self.config, self.project, cache, pin, self._cache, typed=typed)
        self._tell(
            "running",
            pin=pin,
            pin_before=before,
            ref=ref.removeprefix("refs/heads/").removeprefix("refs/tags/"),
            subject=cache.subject(pin),
            commits=cache.commits(before, pin),
        )
        if pin == before:
            raise _Unchanged
        return pin, ref

    def _of_platform(self, platform: Repository) -> Wanted:
        pin = self._pin(platform, self.told["base_commit"])[0]
        platform.git("update-ref", f"refs/opsbot/{self.job}", pin)
        self._clone(platform, pin)
        return Wanted(commit=pin, told={"commit": pin, "pins": self._pins(platform, pin)})

    def _of_project(self, platform: Repository) -> Wanted:
        base, name = self.told["base_commit"], self.config.project(self.project).input
        old = lockfile.parse(platform.text(base, "flake.lock"))
        before = lockfile.running_pin(old, name)
        cache = self._cache(self.project)
        pin, ref = self._pin(cache, before)
        source = self._clone(platform, base)
        self._say(f"pinning {name} to {pin}")
        url = lockfile.override_url(lockfile.node(old, name)["locked"], ref, pin)
        must(self._logged(nix.lock_override(name, url), cwd=source.path, within=_LOCKING), "lock")
        text = (source.path / "flake.lock").read_text(encoding="utf-8")
        lockfile.check_moved(old, lockfile.parse(text), name, pin)
        commit = source.commit_file(base, "flake.lock", text, self._message(before, pin), git.author(self.config.host))
        source.git("update-ref", "refs/heads/opsbot", commit)
        platform.git(*git.fetch(str(source.path), f"+refs/heads/opsbot:refs/opsbot/{self.job}"))
        return Wanted(commit=commit, told={"commit": commit, "pins": self._pins(platform, commit)})

    def _message(self, before: str, pin: str) -> str:
        return git.message(
            f"{self.project}: {before[:7]} -> {pin[:7]}",
            (self.told["subject"], self.note),
            {"Opsbot-Job": self.job, "Opsbot-Project": self.project},
        )

    def _clone(self, platform: Repository, commit: str) -> Repository:
        self._check_stop()
        source = self.folder / "source"
        shutil.rmtree(source, ignore_errors=True)
        options = ("--quiet", "--shared", "--no-checkout", "--template=")
        here = Repository(path=self.folder, environment=self.environment, stop=self._stop)
        here.git("clone", *options, "--", str(platform.path), "source")
        clone = Repository(path=source, environment=self.environment, stop=self._stop)
        clone.git("checkout", "--quiet", "--force", "-B", "opsbot", commit)
        return clone

    def _logged(self, argv: tuple[str, ...], *, cwd: Path, within: float) -> Done:
        """Run a command whose words go to the log; its last line counts as what it said."""
        offset = self.log.stat().st_size
        done = run(argv, within=within, cwd=cwd, env=self.environment, log=self.log, stop=self._stop)
        if done.code == 0:
            return done
        derivation, tail = nix.explain(nix.short_lines(self.log, offset))
        self.told |= {"derivation": derivation, "tail": tail}
        return Done(argv=done.argv, code=done.code, err=next(filter(_is_error, reversed(tail)), "\n".join(tail[-1:])))

    def _check_held(self, pins: dict[str, str]) -> None:
        """Refuse before the build what would move a project that is to stay."""
        moved = [name for name in self.held if pins.get(name) != self.told["base_pins"].get(name)]
        if moved:
            self.told["held"] = moved
            raise HostError("held", f"It would move {', '.join(moved)}, on which there is a hold.")

    def _build(self, wanted: Wanted) -> str:
        self._tell("running", **wanted.told)
        self._check_held(wanted.told["pins"])
        self._say(f"building {wanted.commit}")
        link = self.folder / "result"
        link.unlink(missing_ok=True)
        argv = nix.rebuild(self.folder / "source", wanted.commit, self.config.host)
        done = self._logged(argv, cwd=self.folder, within=_BUILDING)
        must(done, "build" if self.told.get("derivation") else "evaluate")
        system = Path(real(link))
        if not (system / "nixos-version").is_file():
            raise HostError("build", "The build left no system.")
        if str(system) == self.told["base"]:
            raise _Unchanged
        return str(system)


def _is_error(line: str) -> bool:
    return line.startswith("error:")


def prepare(config: Config, job: str, parse: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Do the build that was asked for, unless it has ended or another process does it; PARSE checks the request."""
    said = asked(config, job, "prepare")
    if said is None:
        raise HostError("unknown", f"Nobody asked for a build for job {job}.")
    request = parse(said)
    folder = folders(config).build(job)
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder / "lock", patience=1) as mine:
        ended = (files.read_json(folder / "result.json") or {"status": "running"})["status"] != "running"
        if mine and not ended:
            (folder / "log").touch()
            Preparation(config, job, request).go()
    _prune(config)


def _prune(config: Config) -> None:
    """Let Nix collect the builds of jobs that are long over; their logs and results stay."""
    for job, _ in all_jobs(config)[_KEPT:]:
        (folders(config).build(job) / "result").unlink(missing_ok=True)
