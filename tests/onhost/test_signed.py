import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opsbot.onhost.repository import Repository as Git
from opsbot.onhost.signed import is_signed
from opsbot.standin.machine import Machine
from opsbot.standin.repositories import Repository
from tests.onhost.bench import Bench
from tests.sshd import keygen

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Signer:
    """Somebody with a key of their own."""

    key: Path

    def sign(self, repository: Repository, branch: str = "main") -> str:
        """Put a signed commit with another README onto a branch; return its id."""
        settings = ("gpg.format=ssh", f"user.signingkey={self.key}", "user.name=ana", "user.email=ana@example.org")
        git = ["git", "-C", str(repository.path), *(word for setting in settings for word in ("-c", setting))]
        head = repository.head(branch)

        def run(*words: str) -> str:
            done = subprocess.run(
                [*git, *words], check=True, capture_output=True, text=True, env={**os.environ, "HOME": "/"}
            )
            return done.stdout.strip()

        commit = run("commit-tree", f"{head}^{{tree}}", "-p", head, "-S", "-m", "Signed")
        run("update-ref", f"refs/heads/{branch}", commit)
        return commit


@pytest.fixture
def ana(tmp_path: Path) -> Signer:
    """Somebody whose key the host lists."""
    public = keygen(tmp_path / "ana")
    (tmp_path / "signers").write_text(f"ana@example.org {public}\n")
    return Signer(tmp_path / "ana")


@pytest.fixture
def eve(tmp_path: Path) -> Signer:
    """Somebody whose key nobody lists."""
    keygen(tmp_path / "eve")
    return Signer(tmp_path / "eve")


async def _refused(bench: Bench, job: str, **more: Any) -> str:
    """Build what is not to be built; return the sentence."""
    result = await bench.prepare(job, **more)
    assert (result["status"], result["error"]["code"]) == ("failed", "unsigned"), result
    return str(result["error"]["message"])


async def test_only_what_a_listed_key_has_signed_is_built(
    machine: Machine, bench: Bench, ana: Signer, eve: Signer, tmp_path: Path
) -> None:
    """Where signers are listed, a commit without a signature, or with a stranger's, is refused."""
    hello = machine.repositories.projects["hello-bot"]
    bench.change_project("hello-bot", signers=str(tmp_path / "signers"))
    message = await _refused(bench, "job1")
    assert message == (
        f"{hello.head()[:7]} of hello-bot is not signed by a key that ops-jrz1 lists in {tmp_path}/signers: sign it "
        "with one of them (`git commit --amend -S`), or have its key added there."
    )
    eve.sign(hello)
    await _refused(bench, "job2")
    signed = ana.sign(hello)
    assert (await bench.prepare("job3"))["pin"] == signed
    active = await bench.waiting("job3")
    assert active["status"] == "waiting"


async def test_root_looks_at_the_signature_too(machine: Machine, bench: Bench, ana: Signer, tmp_path: Path) -> None:
    """What was signed by a key that has been taken from the list since is not activated any more."""
    ana.sign(machine.repositories.projects["hello-bot"])
    bench.change_project("hello-bot", signers=str(tmp_path / "signers"))
    built = await bench.prepare("job1")
    (tmp_path / "signers").write_text("")
    await bench.ask("activate", job="job1", base=built["base"])
    ended = await bench.until("job1", "activate", "refused", "waiting")
    assert (ended["status"], ended["error"]["code"]) == ("refused", "unsigned")


async def test_a_pin_on_a_signed_platform_needs_no_signature(
    machine: Machine, bench: Bench, ana: Signer, tmp_path: Path
) -> None:
    """The platform's main may hold opsbot's own pins on top of what was signed; anything else there must be signed."""
    said = {"url": machine.repositories.platform.url, "signers": str(tmp_path / "signers")}
    bench.change(platform=said)
    await _refused(bench, "job1", project="platform")
    ana.sign(machine.repositories.platform)
    assert (await bench.deploy("job2"))["publish"]["main"] == "pushed"
    result = await bench.prepare("job3", "platform")
    assert (result["status"], result["pin"]) == ("built", machine.repositories.platform.head())
    machine.repositories.platform.commit("By hand", {"README.md": "x"})
    await _refused(bench, "job4", project="platform")


def test_nobody_is_trusted_for_having_signed(machine: Machine, ana: Signer, eve: Signer, tmp_path: Path) -> None:
    """A signature counts by the list alone: an empty list knows nobody, and a missing one neither."""
    hello = machine.repositories.projects["hello-bot"]
    mine, theirs = ana.sign(hello), eve.sign(hello)
    cache = Git(path=hello.path)
    assert is_signed(cache, mine, tmp_path / "signers")
    assert not is_signed(cache, theirs, tmp_path / "signers")
    assert not is_signed(cache, mine, tmp_path / "nothing")
