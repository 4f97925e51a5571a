"""A git repository on the host: git's command lines run, its words read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from opsbot.onhost import git
from opsbot.onhost.errors import HostError
from opsbot.onhost.files import locked
from opsbot.onhost.run import Account, Done, must, run

_FETCH = 300.0


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository at a path, and the environment in which git is used on it."""

    path: Path
    environment: dict[str, str] = field(default_factory=git.environment)
    stop: Callable[[], bool] = lambda: False
    #: As whom git runs on it, when that is another user's; it then sees the environment alone.
    account: Account | None = None

    def try_git(self, *arguments: str, stdin: str = "", within: float = 60.0) -> Done:
        """Run git here and return how it ended."""
        argv = (*git.GIT, "-C", str(self.path), *arguments)
        return run(argv, within=within, env=self.environment, stdin=stdin, stop=self.stop, account=self.account)

    def git(self, *arguments: str, stdin: str = "", within: float = 60.0) -> str:
        """Run git here and return what it said; HostError with its last line when it fails."""
        return must(self.try_git(*arguments, stdin=stdin, within=within))

    def mirror(self, url: str, *refspecs: str) -> None:
        """Make this a bare cache of URL if it is not there, and bring it up to date; one process at a time."""
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path.with_name(f"{self.path.name}.lock"), patience=_FETCH) as mine:
            if not mine:
                raise HostError("busy", f"Another job is fetching {url}.")
            # The last thing that git makes.
            if not (self.path / "objects/info").is_dir():
                self.git("init", "--quiet", "--bare", "--template=")
            self._clear(refspecs or git.MIRROR)
            self.git(*git.fetch(url, *(refspecs or git.MIRROR)), within=_FETCH)

    def _clear(self, refspecs: Sequence[str]) -> None:
        """Take away git's locks of a fetch that was killed, and names that a power cut has emptied.

        The caller holds the lock without which nobody writes these names.
        """
        (self.path / "packed-refs.lock").unlink(missing_ok=True)
        for refspec in refspecs:
            for file in (self.path / refspec.partition(":")[2].rstrip("*")).rglob("*"):
                if file.is_file() and (file.suffix == ".lock" or file.stat().st_size == 0):
                    file.unlink()

    def has(self, commit: str) -> bool:
        """Say whether a commit is here."""
        return self.try_git("cat-file", "-e", f"{commit}^{{commit}}").code == 0

    def commit_of(self, name: str) -> str | None:
        """Return the commit that a name stands for, None when there is no such name."""
        done = self.try_git("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return done.out.strip() if done.code == 0 else None

    def refs(self, commit: str) -> list[str]:
        """Return the full names of the branches and tags that a commit is on."""
        argv = ("for-each-ref", "--contains", commit, "--format=%(refname)", "refs/heads", "refs/tags")
        # Line by line: git takes the spaces of other scripts in a name, and `split` would make two names of it.
        return self.git(*argv).split("\n")[:-1] if self.has(commit) else []

    def resolve(self, revision: str) -> tuple[str, str]:
        """Return the commit that a typed revision means, and the full name of its branch or tag if it is one."""
        for ref, name in git.candidates(revision):
            commit = self.commit_of(name)
            if commit is not None and (ref or self.refs(commit)):
                return commit, ref
        raise HostError("no-revision", f"There is no branch, tag or commit {revision} there.")

    def commits(self, old: str, new: str) -> list[dict[str, str]]:
        """Return the newest 20 commits that NEW has and OLD has not; none when OLD is not known here."""
        return git.parse_log(self.git(*git.log(old, new))) if self.has(old) else []

    def subject(self, commit: str) -> str:
        """Return the first line of a commit's message."""
        return self.git("log", "-1", "--format=%s", commit, "--").strip()[:200]

    def text(self, commit: str, path: str) -> str:
        """Return a file of a commit as text; a missing one is refused."""
        done = self.try_git("cat-file", "blob", f"{commit}:{path}")
        if done.code != 0:
            raise HostError("lock", f"The commit {commit[:7]} has no {path}.")
        return done.out

    def changed(self, old: str, new: str) -> list[str] | None:
        """Return the files that NEW changes in its only parent OLD; None when that is not its only parent."""
        if self.git("rev-list", "--parents", "--max-count=1", new, "--").split() != [new, old]:
            return None
        return self.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", old, new, "--").split("\0")[:-1]

    def commit_file(self, parent: str, path: str, text: str, message: str, who: dict[str, str]) -> str:
        """Return a new commit on PARENT in which one file has another text; nothing is checked out."""
        blob = self.git("hash-object", "-w", "--stdin", stdin=text).strip()
        # In a folder of its own: what a killed process leaves, a lock above all, is in nobody's way.
        with TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            here = Repository(path=self.path, environment={**self.environment, **who, **index})
            here.git("read-tree", parent)
            here.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
            tree = here.git("write-tree").strip()
            return here.git("commit-tree", tree, "-p", parent, "-F", "-", stdin=message).strip()
