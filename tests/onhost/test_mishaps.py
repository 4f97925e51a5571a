import asyncio
import fcntl
import os
import signal
from pathlib import Path

import pytest

from opsbot.onhost import git
from opsbot.onhost.errors import HostError
from opsbot.onhost.prove import Doctor, Health, prove
from opsbot.onhost.repository import Repository
from opsbot.onhost.trees import changed_files
from opsbot.standin.machine import Machine
from opsbot.standin.server import base_environment
from tests.onhost.bench import ENDED, Bench

UNIT = "opsbot-activate@job1.service"


async def test_what_root_writes_can_be_read_whatever_its_umask(machine: Machine, bench: Bench) -> None:
    """A person at the console whose files are private by habit does not hide the end of a job from the bot."""
    await bench.waiting("job1")
    helper = str(machine.layout.running / "sw/bin/opsbot-host")
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'umask 077; exec "$@"', "sh", helper, "--config", str(machine.host_json), "revert", "job1"),
        env=base_environment(machine.layout),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    written = [bench.state / "jobs/job1/state.json", *(bench.state / "requests").glob("job1.*.json")]
    assert {path.name: path.stat().st_mode & 0o444 for path in written} == {path.name: 0o444 for path in written}


async def test_an_activation_that_still_looks_around_is_not_lost(machine: Machine, bench: Bench) -> None:
    """While an activation looks at what is well before it begins, however long, it runs."""
    built = await bench.prepare("job1")
    machine.fail("systemctl", argument="list-units", status=1, after=300)
    await bench.ask("activate", job="job1", base=built["base"])
    await bench.hangs("systemctl")
    os.utime(bench.state / "requests/job1.activate.json", (1, 1))
    assert (await bench.ask("state", job="job1"))["activate"]["status"] == "running"


@pytest.mark.parametrize("left", ["packed-refs.lock", "refs/heads/main.lock", "refs/heads/main"])
async def test_what_a_killed_fetch_has_left_is_in_nobodys_way(machine: Machine, bench: Bench, left: str) -> None:
    """A lock of a killed git, or a branch that a power cut has emptied, does not stop the next deploy."""
    await bench.prepare("job1")
    for name in ("platform", "hello-bot"):
        path = bench.state / "builds" / f"{name}.git" / left
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    machine.repositories.projects["hello-bot"].commit("More", {"README.md": "more"})
    built = await bench.prepare("job2")
    assert (built["status"], built["subject"]) == ("built", "More")


def test_a_link_to_itself_is_a_text(tmp_path: Path) -> None:
    """A link below etc that leads in a circle, or where one may not look, is compared by its target."""
    systems = [tmp_path / f"{mark * 32}-nixos-system-h-1" for mark in "ab"]
    for system, target in zip(systems, ("loop", "../etc/loop"), strict=True):
        (system / "etc").mkdir(parents=True)
        (system / "etc/loop").symlink_to(target)
        (system / "etc/same").symlink_to("same")
    assert changed_files(*systems) == ["etc/loop"]


class _Stammering(Doctor):
    """Cannot look the first time."""

    looked = 0

    def look(self, *, or_trying: bool = False) -> Health:
        """Look, but not at once."""
        del or_trying
        type(self).looked += 1
        if self.looked == 1:
            raise HostError("failed", "Failed to list units: Connection reset by peer")
        return Health(failed=frozenset(), well=frozenset(), ill={})


def test_a_systemd_that_does_not_answer_once_undoes_nothing() -> None:
    """While systemd is re-executed it answers nobody: the proof asks it again, for as long as it has time."""
    before = Health(failed=frozenset(), well=frozenset(), ill={})
    verdict = prove(before, _Stammering(services=(), user="x"), frozenset(), within=5, stop=lambda: None)
    assert verdict.faults == ()


async def test_a_generation_that_was_collected_meanwhile_can_still_be_kept(machine: Machine, bench: Bench) -> None:
    """When the generation's number was deleted while a rollback waited, its system becomes the default all the same."""
    await bench.deploy("job0")
    await bench.ask("rollback", job="job1", base=str(machine.running()), generation=31)
    active = await bench.until("job1", "activate", "waiting", *ENDED)
    machine.layout.profile.with_name("system-31-link").unlink()
    await bench.ask("confirm", job="job1")
    assert (await bench.until("job1", "activate", *ENDED))["status"] == "committed"
    assert bench.default() == machine.running() == Path(active["system"])


async def test_a_former_generation_that_was_collected_meanwhile_is_gone_back_to(machine: Machine, bench: Bench) -> None:
    """When the former generation's number was deleted within a commit that fails, its system is the default again."""
    before = machine.running()
    await bench.waiting("job1")
    former = machine.layout.profile.readlink().name
    machine.fail("switch-to-configuration", argument="boot", status=1, after=1)
    await bench.ask("confirm", job="job1")
    await bench.hangs("switch-to-configuration")
    machine.layout.profile.with_name(former).unlink()
    assert (await bench.until("job1", "activate", *ENDED))["status"] == "reverted"
    assert bench.default() == machine.running() == before == machine.layout.boot_default.readlink()


async def test_the_reason_outlives_who_began_to_go_back(machine: Machine, bench: Bench) -> None:
    """When going back is cut off and the dead man finishes it, the message still says why it was begun."""
    bench.change_project("hello-bot", window=1)
    await bench.waiting("job1")
    machine.fail("switch-to-configuration", argument="test", status=1, after=300)
    await bench.hangs("switch-to-configuration")
    os.kill(await bench.pid(UNIT), signal.SIGKILL)
    await machine.elapse(3600)
    ended = await bench.until("job1", "activate", *ENDED)
    assert (ended["status"], ended["why"]) == ("reverted", "Nobody confirmed within 1 s.")


async def test_a_host_that_nobody_named_holds_says_what_to_do(bench: Bench) -> None:
    """When the host's lock is held and no job says that it has it, the refusal is still a sentence."""
    built = await bench.prepare("job1")
    lock = bench.state / "jobs/lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        await bench.ask("activate", job="job1", base=built["base"])
        ended = await bench.until("job1", "activate", *ENDED)
    assert ended["error"]["code"] == "busy"
    assert "None" not in ended["error"]["message"]


async def test_one_request_that_cannot_be_read_does_not_hide_the_others(bench: Bench) -> None:
    """`list` leaves out a job whose files are damaged, and shows all others."""
    await bench.prepare("job1")
    (bench.state / "requests/job9.prepare.json").write_text("")
    assert [row["job"] for row in await bench.ask("list")] == ["job1"]


async def test_a_cache_that_was_only_half_made_is_made(bench: Bench) -> None:
    """A cache of which a power cut has left the beginning is made to its end."""
    (bench.state / "builds/hello-bot.git").mkdir()
    (bench.state / "builds/hello-bot.git/HEAD").write_text("ref: refs/heads/main\n")
    assert (await bench.prepare("job1"))["status"] == "built"


def test_a_killed_commit_is_in_no_later_ones_way(tmp_path: Path) -> None:
    """The same commit can be made again after a process was killed with git's index locked."""
    repository = Repository(path=tmp_path, environment=git.environment())
    repository.git("init", "--quiet", "--bare")
    tree = repository.git("mktree").strip()
    who = git.author("ops-jrz1")
    first = Repository(path=tmp_path, environment={**git.environment(), **who}).git("commit-tree", tree, "-m", "x")
    blob = repository.git("hash-object", "-w", "--stdin", stdin="{}").strip()
    (tmp_path / f"index.{blob}.lock").write_text("")
    commit = repository.commit_file(first.strip(), "flake.lock", "{}", "Pin", who)
    assert repository.changed(first.strip(), commit) == ["flake.lock"]


def test_a_change_behind_many_names_is_seen(tmp_path: Path) -> None:
    """A script that names a file that names another, and so on: however far away the change is, it counts."""
    systems = [tmp_path / f"{mark * 32}-nixos-system-h-1" for mark in "ab"]
    for mark, system, end in zip("ab", systems, ("good", "evil"), strict=True):
        text = end
        for number in range(12):
            path = tmp_path / f"{mark * 32}-script-{number}"
            path.write_text(text)
            text = f"exec {path}"
        system.mkdir()
        (system / "activate").write_text(text)
    assert changed_files(*systems) == ["activate"]
