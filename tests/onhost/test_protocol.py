import asyncio
import json
import os
import time

import pytest

from opsbot.onhost import VERSION
from opsbot.standin.machine import Machine
from opsbot.standin.server import base_environment
from tests.onhost.bench import ENDED, Bench, SaidNoError


async def _refused(bench: Bench, verb: str, **arguments: object) -> str:
    with pytest.raises(SaidNoError) as refused:
        await bench.ask(verb, **arguments)
    return refused.value.code


OUTSIDE = [
    ("", b""),
    ("facts; reboot", b""),
    ("shell", b""),
    ("facts", b"{"),
    ("facts", b"[]"),
    ("facts", b'{"units": ["../x"]}'),
    ("facts", b'{"path": "/etc"}'),
    ("state", b'{"job": "../jobs"}'),
    ("state", b'{"job": "job1", "job": "job2"}'),
    ("prepare", b'{"job": "job1", "project": "hello-bot", "revision": "--upload-pack=x"}'),
    ("logs", b'{"unit": "nginx.service", "lines": 100000}'),
    ("state", b'{"job": "' + b"a" * 70000 + b'"}'),
    ("state", b"\xff\xfe"),
]


async def test_what_is_outside_the_grammar_is_refused(bench: Bench) -> None:
    """Whatever is outside the grammar is answered with one line that says so, and does nothing."""
    for verb, data in OUTSIDE:
        (line,) = await bench.lines(verb, data)
        assert line["error"]["code"] == "bad-request", (verb, data[:40])
    assert not list((bench.state / "requests").iterdir())


async def test_facts_tell_what_a_status_shows(machine: Machine, bench: Bench) -> None:
    """The facts name versions, space, units, systems, the commit that runs and the pins of its projects."""
    facts = await bench.ask("facts", units=["hello-bot.service", "x.service"])
    assert (facts["version"], facts["protocol"], facts["host"]) == (VERSION, 1, "ops-jrz1")
    assert facts["units"]["x.service"] == {"active": "not-found"}
    assert facts["units"]["hello-bot.service"]["active"] == "active"
    assert facts["units"]["hello-bot.service"]["since"] <= time.time()
    assert facts["commit"] == machine.repositories.deployed[-1][0]
    assert set(facts["pins"]) == {"hello-bot", "web-shop"}
    assert facts["profile"]["system"] == facts["running"] == facts["booted"]
    assert facts["memory"]["total"] > facts["memory"]["available"] > 0
    assert facts["job"] is None


async def test_the_newest_commits_are_asked_for_and_a_silent_repository_is_a_sentence(bench: Bench) -> None:
    """A repository that does not answer is a sentence in its place, and hides nothing of the others."""
    bench.change_project("web-shop", url=f"file://{bench.state}/nowhere.git")
    newest = await bench.ask("newest")
    hello = bench.machine.repositories.projects["hello-bot"].head()
    assert newest["platform"] == {"commit": bench.machine.repositories.platform.head()}
    assert newest["projects"]["hello-bot"] == {"commit": hello}
    assert "did not answer" in newest["projects"]["web-shop"]["error"]


async def test_a_request_is_done_once_and_never_changed(bench: Bench) -> None:
    """The same request again answers the state; another one with the same id is a conflict."""
    first = await bench.prepare("job1", note="first")
    again = await bench.ask("prepare", job="job1", project="hello-bot", note="first")
    assert again["prepare"] == first
    assert await _refused(bench, "prepare", job="job1", project="web-shop", note="first") == "conflict"
    rows = await bench.ask("list")
    assert [(row["job"], row["project"], row["prepare"]) for row in rows] == [("job1", "hello-bot", "built")]


NOT_KNOWN: list[tuple[str, dict[str, object], str]] = [
    ("prepare", {"job": "job1", "project": "nobody"}, "unknown"),
    ("state", {"job": "job1"}, "unknown"),
    ("plan", {"generation": 99}, "unknown"),
    ("plan", {}, "bad-request"),
    ("plan", {"job": "job1", "generation": 30}, "bad-request"),
    ("confirm", {"job": "job1"}, "unknown"),
    ("publish", {"job": "job1"}, "unknown"),
    ("logs", {"unit": "sshd.service"}, "unknown"),
    ("restart", {"unit": "postgresql.service"}, "unknown"),
]


async def test_what_the_host_does_not_know_is_said(bench: Bench) -> None:
    """Jobs, projects, units and generations that the host does not know are told as such."""
    bench.change(logs=["hello-*"])
    for verb, arguments, code in NOT_KNOWN:
        assert await _refused(bench, verb, **arguments) == code, (verb, arguments)


async def test_the_order_of_the_verbs_is_kept(bench: Bench) -> None:
    """A verb that comes too early says what is missing."""
    running = str(bench.machine.running())
    assert await _refused(bench, "activate", job="job1", base=running) == "unknown"
    built = await bench.prepare("job1")
    for verb in ("confirm", "revert", "publish"):
        assert await _refused(bench, verb, job="job1") == "not-ready"
    await bench.prepare("job2", revision="v1.0")
    assert await _refused(bench, "activate", job="job2", base=running) == "not-ready"
    assert await _refused(bench, "rollback", job="job4", base=running, generation=99) == "unknown"
    assert await _refused(bench, "activate", job="job1", base=built["system"]) == "base-moved"


async def test_what_is_activated_is_what_was_built(bench: Bench) -> None:
    """A build whose link leads elsewhere, or is gone, is neither planned nor activated."""
    built = await bench.prepare("job1")
    link = bench.state / "builds/job1/result"
    link.unlink()
    link.symlink_to(built["base"])
    assert await _refused(bench, "plan", job="job1") == "not-ready"
    assert await _refused(bench, "activate", job="job1", base=built["base"]) == "not-ready"


async def test_what_was_agreed_to_is_what_is_activated(bench: Bench) -> None:
    """An activation that names the system which was agreed to is refused when another one was built."""
    built = await bench.prepare("job1")
    other = built["base"]
    given = {"job": "job1", "base": built["base"]}
    assert await _refused(bench, "activate", **given, system=other) == "base-moved"
    assert await _refused(bench, "activate", **given, system="/etc/passwd") == "bad-request"
    assert (bench.state / "requests/job1.activate.json").exists() is False
    state = await bench.ask("activate", **given, system=built["system"])
    assert state["activate"]["status"] != "refused"


async def test_a_revision_is_a_branch_a_tag_or_a_commit(machine: Machine, bench: Bench) -> None:
    """A revision may be a branch, a tag or the first seven letters of a commit that is on one of them."""
    hello = machine.repositories.projects["hello-bot"]
    main, other = hello.head(), hello.head("broken")
    found = [await bench.prepare(f"job{i}", revision=name) for i, name in enumerate(["main", main[:7], "v1.0"])]
    assert [(result["pin"], result["ref"]) for result in found[:2]] == [(main, "main"), (main, "main")]
    assert (found[2]["status"], found[2]["ref"]) == ("unchanged", "main")
    assert [commit["subject"] for commit in found[0]["commits"]] == ["Greet more warmly", "Test the greeting"]
    refused = await bench.prepare("job9", revision="f" * 8)
    assert (refused["status"], refused["error"]["code"]) == ("failed", "no-revision")
    assert (await bench.prepare("job8", revision=other))["ref"] == "broken"


async def test_a_base_that_nobody_pushed_is_explained(machine: Machine, bench: Bench) -> None:
    """A system whose commit is not in the platform's repository is no base, and the sentence says what to do."""
    version = machine.running() / "sw/bin/nixos-version"
    version.chmod(0o755)
    text = version.read_text().replace(machine.repositories.deployed[-1][0], "0" * 40)
    version.unlink()
    version.write_text(text)
    version.chmod(0o755)
    result = await bench.prepare("job1")
    assert result["error"]["code"] == "no-base"
    assert "push it there, to main, and ask again." in result["error"]["message"]


async def test_a_change_to_the_platform_shows_what_is_not_the_projects_own(bench: Bench) -> None:
    """The plan of the platform names every unit that restarts, and counts it as foreign."""
    await bench.prepare("job1", "platform")
    plan = await bench.ask("plan", job="job1")
    assert plan["units"]["restart"] == ["forgejo.service"]
    assert plan["foreign"] == ["forgejo.service"]
    assert plan["own"] == []
    assert [commit["subject"] for commit in plan["commits"]] == ["Forgejo 7.0.13"]
    assert plan["moves"] == {}


async def test_a_log_is_followed_by_byte_offset(bench: Bench) -> None:
    """A log is sent from an offset on, and ends with the job's state."""
    await bench.prepare("job1")
    *lines, last = await bench.lines("follow", json.dumps({"job": "job1", "log": "prepare"}).encode())
    text = "".join(line["text"] for line in lines)
    assert text == bench.log("job1", "prepare")
    assert last["result"]["prepare"]["status"] == "built"
    said = {"job": "job1", "log": "prepare", "offset": len(text.encode()) - 5}
    (line, _) = await bench.lines("follow", json.dumps(said).encode())
    assert (line["offset"], line["text"]) == (said["offset"], text[-5:])


async def test_a_log_that_grows_is_followed_to_its_end(bench: Bench) -> None:
    """Following a build that runs shows its lines as they come, and ends when it does."""
    await bench.ask("prepare", job="job1", project="hello-bot")
    lines = await bench.lines("follow", json.dumps({"job": "job1", "log": "prepare", "seconds": 60}).encode())
    assert lines[-1]["result"]["prepare"]["status"] == "built"
    assert "".join(line.get("text", "") for line in lines) == bench.log("job1", "prepare")


async def test_journals_are_read_and_services_restarted(bench: Bench) -> None:
    """The last lines of a unit's journal can be read, and a service on the list can be restarted."""
    words = await bench.ask("logs", unit="nginx.service", lines=5)
    assert "ready" in words["lines"]
    bench.machine.fail("journalctl", status=1, says="No journal files were opened due to insufficient permissions.\n")
    with pytest.raises(SaidNoError, match=r"insufficient permissions.*systemd-journal"):
        await bench.ask("logs", unit="nginx.service")
    before = await bench.pid("nginx.service")
    assert await bench.ask("restart", unit="nginx.service") == {}
    assert await bench.pid("nginx.service") != before


async def _console(bench: Bench, *words: str) -> str:
    layout = bench.machine.layout
    process = await asyncio.create_subprocess_exec(
        str(layout.running / "sw/bin/opsbot-host"),
        "--config",
        str(layout.host_json),
        *words,
        stdout=asyncio.subprocess.PIPE,
        env=base_environment(layout),
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def test_a_person_at_the_console_needs_no_bot(machine: Machine, bench: Bench) -> None:
    """At the console a person lists the jobs, keeps what waits, and goes back, without bot or network."""
    before = machine.running()
    await bench.waiting("job1")
    await machine.cut()
    assert "job1  hello-bot  prepare built, activate waiting" in await _console(bench, "list")
    assert "activate: reverted" in await _console(bench, "revert", "job1", "--reason", "It smells")
    assert "why: It smells" in await _console(bench, "state", "job1")
    assert machine.running() == before
    await bench.waiting("job2")
    assert "activate: committed" in await _console(bench, "confirm", "job2")
    assert bench.default() == machine.running() != before


async def test_publishing_goes_on_where_it_failed(machine: Machine, bench: Bench) -> None:
    """A repository that cannot be reached makes publishing fail, and asking again brings it to its end."""
    await bench.waiting("job1")
    await bench.ask("confirm", job="job1")
    await bench.until("job1", "activate", *ENDED)
    away = machine.repositories.platform.path.with_name("away")
    machine.repositories.platform.path.rename(away)
    await bench.ask("publish", job="job1")
    assert (await bench.until("job1", "publish", "published", "failed"))["status"] == "failed"
    away.rename(machine.repositories.platform.path)
    await bench.ask("publish", job="job1")
    await bench.until("job1", "publish", "published")


async def test_a_main_that_cannot_take_the_pin_gets_a_branch(machine: Machine, bench: Bench) -> None:
    """When main takes the project from somewhere else, the commit goes to a branch of its own."""
    platform = machine.repositories.platform
    lock = json.loads(platform.read("flake.lock"))
    lock["nodes"]["hello-bot"]["original"]["url"] = "https://example.org/hello-bot.git"
    moved = platform.commit("Take hello-bot from elsewhere", {"flake.lock": json.dumps(lock)})
    state = await bench.deploy("job1")
    assert (state["publish"]["main"], state["publish"]["branch"]) == ("branch", "opsbot/ops-jrz1/job1")
    assert platform.head("opsbot/ops-jrz1/job1") == platform.head("deployed/ops-jrz1") == state["activate"]["commit"]
    assert platform.head() == moved


async def test_a_protected_main_gets_a_branch(machine: Machine, bench: Bench) -> None:
    """When the repository refuses the push to main, the commit goes to a branch of its own."""
    hook = machine.repositories.platform.path / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntest "$1" != refs/heads/main || { echo "main is protected" >&2; exit 1; }\n')
    hook.chmod(0o755)
    state = await bench.deploy("job1")
    assert state["publish"]["status"] == "published"
    assert state["publish"]["main"] == "branch"


async def test_a_main_that_has_the_pin_already_stays(machine: Machine, bench: Bench) -> None:
    """When somebody has put the same pin on main meanwhile, main is left as it is."""
    await bench.waiting("job1")
    team = machine.repositories
    pins = {name: team.projects[name].head() for name in ("hello-bot", "web-shop")}
    head = team.pin(machine.store, "Greet more warmly, by hand", pins)
    await bench.ask("confirm", job="job1")
    await bench.until("job1", "activate", "committed")
    await bench.ask("publish", job="job1")
    published = await bench.until("job1", "publish", "published", "failed")
    assert (published["main"], published["main_commit"]) == ("same", head)


async def test_a_request_of_an_hour_that_is_still_to_come_is_not_on_its_way(bench: Bench) -> None:
    """When the host's clock was set back since, what was asked for and never began is `lost`, as it is at any time."""
    path = bench.state / "requests/job1.prepare.json"
    path.write_text("{}")
    later = time.time() + 3600
    os.utime(path, (later, later))
    assert (await bench.ask("state", job="job1"))["prepare"] == {"status": "lost"}


async def test_a_build_whose_process_was_killed_is_begun_again(bench: Bench) -> None:
    """A build that was killed is `lost`, and asking again begins it anew."""
    await bench.ask("prepare", job="job1", project="hello-bot", revision="slow")
    async with asyncio.timeout(60):
        while not (pid := await bench.pid("opsbot-prepare@job1.service")):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
    await bench.until("job1", "prepare", "running")
    os.kill(pid, 9)
    os.utime(bench.state / "requests/job1.prepare.json", (1, 1))
    await bench.until("job1", "prepare", "lost")
    state = await bench.ask("prepare", job="job1", project="hello-bot", revision="slow")
    assert state["prepare"]["status"] == "running"
    await bench.ask("cancel", job="job1")
    await bench.until("job1", "prepare", "cancelled")
