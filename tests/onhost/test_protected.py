import json
import shutil
from typing import Any

from opsbot.standin import flake
from opsbot.standin.machine import Machine
from opsbot.standin.samples import project
from tests.onhost.bench import Bench

WARM = project("hello-bot", "1.3", hello="Ahoy", tested=False)


async def _error(bench: Bench, job: str, **more: Any) -> tuple[str, str]:
    """Build what is not to be built; return the code and the sentence."""
    result = await bench.prepare(job, **more)
    assert result["status"] == "failed", result
    return result["error"]["code"], result["error"]["message"]


async def test_what_is_on_no_protected_branch_is_not_built(machine: Machine, bench: Bench) -> None:
    """A commit on a branch or tag that the host does not list is refused, by whatever name, before Nix begins."""
    hello = machine.repositories.projects["hello-bot"]
    commit = hello.commit("Try it", WARM, branch="try", onto="main", tag="v2.0-try")
    for number, name in enumerate(["try", "v2.0-try", commit, commit[:7]]):
        code, message = await _error(bench, f"job{number}", revision=name)
        assert code == "unprotected"
        assert message == (
            f"{commit[:7]} of hello-bot is on try, v2.0-try, and ops-jrz1 takes only what is on main, broken, "
            "does-not-build and 1 more: merge it, or add its branch to `branches` of hello-bot in the host's "
            "configuration."
        )
    assert "building" not in bench.log("job0", "prepare")


async def test_a_branch_whose_name_holds_another_is_not_that_other(machine: Machine, bench: Bench) -> None:
    """A space of another script, which git takes in a branch's name, does not make what stands behind it a branch."""
    there = machine.repositories
    for name, where, files in (
        ("platform", there.platform, {"x": "y"}),
        ("hello-bot", there.projects["hello-bot"], WARM),
    ):
        commit = where.commit("Try it", files, branch="x\u2003refs/heads/main", onto="main")
        code, message = await _error(bench, f"job{name[:1]}1", project=name, revision=commit)
        assert code == "unprotected"
        assert f"{commit[:7]} of {name} is on x\u2003refs/heads/main, and" in message


async def test_merged_is_protected_whatever_it_was_called(machine: Machine, bench: Bench) -> None:
    """A commit that is on a protected branch may be deployed by the name of another branch, too."""
    hello = machine.repositories.projects["hello-bot"]
    commit = hello.commit("Try it", WARM, branch="try", onto="main")
    hello.commit("Nothing else", {}, branch="main", onto="main")
    flake.git("-C", str(hello.path), "update-ref", "refs/heads/main", commit)
    result = await bench.prepare("job1", revision="try")
    assert (result["status"], result["pin"], result["ref"]) == ("built", commit, "main")


async def test_patterns_open_branches_and_tags(machine: Machine, bench: Bench) -> None:
    """The host's patterns say which branches and tags count, for each repository its own."""
    hello = machine.repositories.projects["hello-bot"]
    hello.commit("Release", WARM, branch="release/1.3", onto="main")
    hello.commit("Tagged", {"x": "y"}, branch="elsewhere", onto="main", tag="v2.0")
    bench.change_project("hello-bot", branches=["main", "release/*"], tags=["v*"])
    assert (await bench.prepare("job1", revision="release/1.3"))["ref"] == "release/1.3"
    assert (await bench.prepare("job2", revision="elsewhere"))["ref"] == "v2.0"
    assert (await _error(bench, "job3", revision="broken"))[0] == "unprotected"
    assert (await bench.prepare("job4", "web-shop"))["status"] == "unchanged"


async def test_the_platform_has_protected_branches_of_its_own(machine: Machine, bench: Bench) -> None:
    """A deploy of the platform takes main's commits; one of a branch beside it is refused."""
    machine.repositories.platform.commit("Open the door", {"README.md": "x"}, branch="door", onto="main")
    code, message = await _error(bench, "job1", project="platform", revision="door")
    assert (code, "is on door, and ops-jrz1 takes only what is on main" in message) == ("unprotected", True)
    assert (await bench.prepare("job2", "platform"))["status"] == "built"


async def test_a_base_beside_main_is_no_base(machine: Machine, bench: Bench) -> None:
    """Where what runs came from a branch beside main, nothing is built on it until it is merged or published."""
    platform = machine.repositories.platform
    version = machine.running() / "sw/bin/nixos-version"
    beside = platform.commit("By hand", {"README.md": "x"}, branch="by-hand", onto="main~1")
    version.chmod(0o755)
    version.write_text(f"#!/bin/sh\necho '{json.dumps({'configurationRevision': beside})}'\n")
    code, message = await _error(bench, "job1")
    assert (code, f"{beside[:7]}, which is on none of the platform's branches that count (main)" in message) == (
        "no-base",
        True,
    )
    flake.git("-C", str(platform.path), "branch", f"deployed/{machine.host}", beside)
    assert (await bench.prepare("job2"))["status"] == "built"


async def test_what_the_host_itself_put_in_place_is_a_base(bench: Bench) -> None:
    """What was deployed and could not be published is a base for the next deploy."""
    await bench.waiting("job1")
    await bench.ask("confirm", job="job1")
    await bench.until("job1", "activate", "committed")
    assert (await bench.prepare("job2", revision="v1.0"))["status"] == "built"


async def _activated(bench: Bench, job: str, base: str) -> tuple[str, str]:
    """Activate a build; return the code and the sentence with which root refused it."""
    await bench.ask("activate", job=job, base=base)
    ended = await bench.until(job, "activate", "waiting", "refused", "reverted")
    assert ended["status"] == "refused", ended
    return ended["error"]["code"], ended["error"]["message"]


def _result(bench: Bench, job: str, **keys: Any) -> None:
    path = bench.state / "builds" / job / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


async def test_root_asks_again_whether_it_is_protected(machine: Machine, bench: Bench) -> None:
    """What was built while its branch was listed is not activated when the list has lost that branch since."""
    hello, before = machine.repositories.projects["hello-bot"], machine.running()
    hello.commit("Try it", WARM, branch="try", onto="main")
    bench.change_project("hello-bot", branches=["main", "try"])
    built = await bench.prepare("job1", revision="try")
    bench.change_project("hello-bot", branches=["main"])
    code, message = await _activated(bench, "job1", built["base"])
    assert (code, "is on try, and ops-jrz1 takes only what is on main" in message) == ("unprotected", True)
    assert machine.running() == before


async def test_root_takes_only_one_pin_on_what_runs(machine: Machine, bench: Bench) -> None:
    """A build whose commit changes more than the one pin, or stands on another commit, is refused before it begins."""
    before = machine.running()
    main = machine.repositories.platform.head()
    built = await bench.prepare("job1")
    _result(bench, "job1", commit=main)
    code, message = await _activated(bench, "job1", built["base"])
    assert (code, message) == ("lock", "The build is not the running commit with one pin of hello-bot moved.")
    await bench.prepare("job2")
    _result(bench, "job2", base_commit=main)
    assert (await _activated(bench, "job2", built["base"]))[0] == "base-moved"
    await bench.prepare("job3")
    _result(bench, "job3", commit="--upload-pack=touch /x")
    assert (await _activated(bench, "job3", built["base"]))[0] == "base-moved"
    await bench.prepare("job4")
    _result(bench, "job4", project="web-shop")
    assert (await _activated(bench, "job4", built["base"]))[0] == "lock"
    assert machine.running() == before


async def test_root_needs_the_caches_to_look_into(bench: Bench) -> None:
    """Where the builder's cache is gone, root cannot see what it would activate, and refuses."""
    built = await bench.prepare("job1")
    shutil.rmtree(bench.state / "builds/hello-bot.git")
    code, message = await _activated(bench, "job1", built["base"])
    assert (code, message) == ("failed", "The cache of hello-bot is gone; prepare it again.")
