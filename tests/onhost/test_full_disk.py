import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsbot.onhost import files
from opsbot.standin.machine import Machine
from tests.onhost.bench import Bench, SaidNoError

FULL = r"A disk of this host is full.*make room there"


@contextmanager
def small_disk(folder: Path, kib: int = 256) -> Iterator[None]:
    """Put a disk of a few KiB over a folder, with what was in it."""
    if os.geteuid() != 0:
        pytest.skip("run as root: a small disk is mounted")
    kept = folder.with_name(f"{folder.name}.kept")
    folder.rename(kept)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    """Take all the room that a folder's disk has."""
    space = os.statvfs(folder)
    (folder / "ballast").write_bytes(b"x" * space.f_bavail * space.f_frsize)
    assert os.statvfs(folder).f_bavail == 0


async def test_a_request_that_finds_no_room_is_refused_with_a_sentence(bench: Bench) -> None:
    """When requests cannot be written, the host says that its disk is full, and keeps no half of one."""
    folder = bench.state / "requests"
    with small_disk(folder):
        fill(folder)
        for _ in range(2):
            with pytest.raises(SaidNoError, match=FULL) as refused:
                await bench.ask("prepare", job="job1", project="hello-bot")
            assert refused.value.code == "failed"
        assert [path.name for path in folder.iterdir()] == ["ballast"]
        with pytest.raises(SaidNoError, match="knows no job job1"):
            await bench.ask("state", job="job1")
        assert (await bench.ask("facts"))["host"] == "ops-jrz1"
        (folder / "ballast").unlink()
        assert (await bench.prepare("job1"))["status"] == "built"


async def test_an_activation_that_finds_no_room_touches_nothing(bench: Bench) -> None:
    """When root's own folder is full, an activation is never begun: what runs goes on, and is gone on with later."""
    before, built = bench.machine.running(), await bench.prepare("job1")
    folder = bench.state / "jobs"
    with small_disk(folder):
        fill(folder)
        await bench.ask("activate", job="job1", base=built["base"])
        os.utime(bench.state / "requests/job1.activate.json", (1, 1))
        lost = await bench.until("job1", "activate", "lost", "refused")
        assert lost.get("was") is None
        assert bench.machine.running() == bench.default() == before
        (folder / "ballast").unlink()
        await bench.ask("activate", job="job1", base=built["base"])
        await bench.until("job1", "activate", "waiting")


async def test_a_build_without_room_ends_with_the_words_of_what_failed(bench: Bench) -> None:
    """A build for which the disk is too small fails with the system's words, and nothing is activated or half done."""
    before = bench.machine.running()
    bench.machine.fail("nixos-rebuild", status=1, says="error: writing to file: No space left on device\n")
    result = await bench.prepare("job1")
    assert (result["status"], result["error"]["code"]) == ("failed", "evaluate")
    assert result["error"]["message"] == "error: writing to file: No space left on device"
    with pytest.raises(SaidNoError):
        await bench.ask("activate", job="job1", base=result["base"])
    assert bench.machine.running() == before
    assert (await bench.prepare("job2"))["status"] == "built"


async def test_a_build_that_cannot_write_its_log_ends(bench: Bench) -> None:
    """A folder of builds without room ends the build, and the next one finds it as it was."""
    folder = bench.state / "builds"
    with small_disk(folder, 512):
        (folder / "job1").mkdir()
        files.write_json(folder / "job1/result.json", {"status": "running"})
        fill(folder)
        result = await bench.prepare("job1")
        assert result["status"] in ("failed", "lost")
        assert json.dumps(result)
        assert not list(folder.glob("**/.*.tmp"))


@pytest.mark.parametrize("process", ["lives", "is gone"])
async def test_a_disk_that_the_deploy_has_filled_does_not_keep_the_host_from_going_back(
    machine: Machine, bench: Bench, process: str
) -> None:
    """Where not a word can be written any more, the host still goes back by itself, and tells the end when it can."""
    before = machine.running()
    bench.change_project("hello-bot", window=30)
    folder = bench.state / "jobs"
    with small_disk(folder):
        await bench.waiting("job1")
        if process == "is gone":
            os.kill(await bench.pid("opsbot-activate@job1.service"), signal.SIGKILL)
        fill(folder)
        if process == "lives":
            await bench.ask("revert", job="job1")
        else:
            await machine.elapse(60)
        async with asyncio.timeout(60):
            while machine.running() != before:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.05)
        await bench.until("job1", "activate", "lost")
        assert await machine.state("hello-bot.service") == "active"
        (folder / "ballast").unlink()
        await bench.ask("activate", job="job1", base=str(before))
        ended = await bench.until("job1", "activate", "reverted")
        assert machine.running() == bench.default() == before
        assert ended["why"]


async def test_a_build_that_filled_the_disk_says_so(bench: Bench) -> None:
    """A build that fails because it has filled the disk ends with its words, and is not begun again and again."""
    folder = bench.state / "builds"
    bench.machine.fail("nixos-rebuild", status=1, says="error: writing to file: No space left on device\n", after=2)
    with small_disk(folder, 2048):
        await bench.ask("prepare", job="job1", project="hello-bot")
        await bench.hangs("nixos-rebuild")
        fill(folder)
        result = await bench.until("job1", "prepare", "failed", "lost")
        assert result["status"] == "failed"
