import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from opsbot.onhost import arm, facts, files, follow, git, nix, prove, systemd
from opsbot.onhost.config import parse
from opsbot.onhost.errors import HostError
from opsbot.onhost.ledger import Entry, Ledger
from opsbot.onhost.run import TIMED_OUT, must, run
from opsbot.onhost.sections import ConfigError
from opsbot.onhost.switch import Switched, switch
from opsbot.ssh import LONGEST_ANSWER

DERIVATION = f"/nix/store/{'a' * 32}-hello-bot-1.0.drv"


@pytest.mark.parametrize(
    "line",
    [
        f"error: builder for '{DERIVATION}' failed with exit code 1;",
        f"error: Cannot build '{DERIVATION}'.",
        f"error: hash mismatch in fixed-output derivation '{DERIVATION}':",
        f"error: build of '{DERIVATION}' failed: oom",
        f"error: build of '{DERIVATION}^*' failed",
    ],
)
def test_the_failing_derivation_is_found_in_the_words_of_each_nix(line: str) -> None:
    """The words of old and new versions of Nix name the derivation that failed."""
    name, tail = nix.explain(["building", line, f"error: 1 dependencies of derivation '{DERIVATION}' failed to build"])
    assert name == "hello-bot-1.0"
    assert len(tail) == 3


def test_a_log_of_any_shape_is_read_line_by_line(tmp_path: Path) -> None:
    """Lines of megabytes, bytes that are no text, colours and hundreds of thousands of lines are read."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"x" * 5_000_000 + b"\n")
        file.write(b"line\n" * 200_000)
        file.write(b"\xff\xfe \x1b[31mred\x1b[0m\r\n10%\r100%\n")
    lines = list(nix.short_lines(path))
    assert len(lines) == 200_003
    assert len(lines[0]) == 4096
    assert lines[-2:] == ["\ufffd\ufffd red", "100%"]
    assert len(nix.explain(lines)[1]) == 20


def test_units_are_shown_with_their_age() -> None:
    """What systemctl says of units becomes their state and since when, aliases and missing ones included."""
    text = (
        "Id=dbus-broker.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"
        "ActiveEnterTimestampMonotonic=40000000\n\nId=x.service\nLoadState=not-found\nActiveState=inactive\n"
    )
    shown = systemd.parse_show(text, ["dbus.service", "x.service"], 1000.0, 50.0)
    assert shown == {
        "dbus.service": {"active": "active", "sub": "running", "since": 990.0},
        "x.service": {"active": "not-found"},
    }


def test_failed_units_are_listed() -> None:
    """The first word of each line is the unit, with or without the mark before it."""
    assert systemd.parse_failed("● b.service loaded failed failed B\na.service loaded failed failed A\n\n") == [
        "a.service",
        "b.service",
    ]


def test_the_dead_man_is_armed_with_plain_words() -> None:
    """The timer runs the helper by its own path, with its words in the job's log."""
    argv = systemd.deadman("opsbot-deadman-job1-1", 60, Path("/log"), {"PATH": "/p"}, ["/store/opsbot-host", "x"])
    assert argv[:5] == (
        "systemd-run", "--no-ask-password", "--quiet", "--unit=opsbot-deadman-job1-1", "--on-active=60",
    )  # fmt: skip
    assert argv[-4:] == ("--setenv=PATH=/p", "--", "/store/opsbot-host", "x")
    assert "@" not in argv[3]


def test_a_program_behind_many_names_keeps_its_name(tmp_path: Path) -> None:
    """The folder of a program is resolved, its name is not: one program may ask under which name it was called."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store/nix").touch()
    (tmp_path / "store/nix-env").symlink_to("nix")
    (tmp_path / "current").symlink_to("store")
    assert arm.resolved(tmp_path / "current/nix-env") == tmp_path / "store/nix-env"


def test_generations_are_numbered_by_their_links() -> None:
    """A link's name tells the number of its generation; other profiles' links are none of ours."""
    assert nix.link_number("system-31-link", "system") == 31
    assert nix.link_number("/nix/var/nix/profiles/system-31-link", "system") == 31
    assert nix.link_number("system-profile-31-link", "system") is None


def test_commit_messages_have_trailers_at_their_end() -> None:
    """A message is a title, what was said about it, and trailers; what is empty is left out."""
    assert git.message("a: b -> c", ("Greet", ""), {"Opsbot-Job": "job1"}) == "a: b -> c\n\nGreet\n\nOpsbot-Job: job1\n"


def test_the_configured_branch_is_preferred() -> None:
    """A commit that is on several branches is taken from the configured one."""
    assert git.best_ref(["refs/heads/a", "refs/heads/main", "refs/tags/v1"], "main") == "refs/heads/main"
    assert git.best_ref(["refs/tags/v1"], "main") == "refs/tags/v1"
    assert git.best_ref([], "main") is None


def test_the_newest_commit_of_a_branch_is_read() -> None:
    """What ls-remote says of one branch is its commit; nothing else is taken for one."""
    text = f"{'a' * 40}\trefs/heads/main\n{'b' * 40}\trefs/heads/main-2\n"
    assert git.parse_ls_remote(text, "refs/heads/main") == "a" * 40
    assert git.parse_ls_remote("oops\trefs/heads/main", "refs/heads/main") is None


@pytest.mark.parametrize(
    ("data", "size"), [(b"abc", 3), ("aé".encode(), 3), ("aé".encode()[:-1], 1), ("a€".encode()[:-1], 1), (b"\xff", 1)]
)
def test_no_character_is_torn_apart(data: bytes, size: int) -> None:
    """A piece of a log ends between two characters; a lone byte that is none is sent on."""
    assert follow.cut(data) == size


@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"a"])
def test_a_line_of_a_log_never_passes_64_kib(tmp_path: Path, byte: bytes) -> None:
    """Whatever is in a log, each line of the answer is below 64 KiB, and says where the next one begins."""
    said = {**_CONFIG, "state": str(tmp_path)}
    config = parse(json.dumps(said), tmp_path / "host.json")
    folder = tmp_path / "builds/job1"
    folder.mkdir(parents=True)
    files.write_json(folder / "result.json", {"status": "built", "at": time.time() + 60})
    (tmp_path / "requests").mkdir()
    files.write_json(tmp_path / "requests/job1.prepare.json", {})
    (folder / "log").write_bytes(byte * 100_000)
    lines: list[dict[str, Any]] = []
    follow.follow(config, {"job": "job1", "log": "prepare", "offset": 7, "seconds": 60}, lines.append)
    assert max(len(json.dumps(line)) for line in lines) < 64 * 1024
    assert [line["offset"] for line in lines] == [7, *(line["next"] for line in lines[:-1])]
    assert lines[-1]["next"] == 100_000


def test_the_ledger_knows_generations_by_number_and_system() -> None:
    """A number that was given to another system since is not the generation that was proved."""
    first = Entry(generation=1, system="/a", commit="c", pins={"x": "y"})
    book = Ledger().with_entry(first).with_entry(Entry(generation=2, system="/b", commit=None))
    again = Ledger.from_json(json.loads(json.dumps(book.as_json())))
    assert again == book
    assert again.entry(1, "/a") == first
    assert again.entry(1, "/b") is None
    assert (again.by_system("/b"), Ledger().empty) == (book.entries[1], True)


def test_a_ledger_of_many_years_can_still_be_read(tmp_path: Path) -> None:
    """Of very many generations the newest are kept, with as many pins as a large platform has."""
    book, pins = Ledger(), {f"project-{number}": "0" * 40 for number in range(100)}
    for number in range(1, 1001):
        book = book.with_entry(Entry(generation=number, system=f"/{number}", commit="c", pins=pins))
    files.write_json(tmp_path / "ledger.json", book.as_json())
    read = Ledger.from_json(files.read_json(tmp_path / "ledger.json") or {})
    assert read == book
    assert (read.by_system("/1000"), read.by_system("/1")) == (book.entries[-1], None)


def test_the_words_of_very_many_failed_units_fit_into_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many units fail, and however much they say in a line, the bot can still be told how a job ended."""
    (tmp_path / "journalctl").write_text(
        "#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9 10 11 12; do printf '%02000d\\n' 0; done\n"
    )
    (tmp_path / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    words = prove.last_words([f"unit{number}.service" for number in range(100)])
    assert words[0]["unit"] == "unit0.service"
    assert len(words[0]["lines"]) == 12
    assert len(json.dumps(words)) < LONGEST_ANSWER / 6


def test_a_timer_that_cannot_be_stopped_undoes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that cannot be started when a job has ended is no error of that job's: its timer finds the end."""
    monkeypatch.setenv("PATH", "/nowhere")
    arm.disarm("job1", [1, 2])


@pytest.mark.parametrize(
    ("code", "words"),
    [(2, "ended with 2"), (-9, "was killed by signal 9"), (TIMED_OUT, "took more than 600 s and was stopped")],
)
def test_a_switch_that_failed_says_how(code: int, words: str) -> None:
    """What a person reads of a switch is its exit code, its signal or its time, and no number of ours."""
    assert Switched(code=code).end == words


def test_a_ledger_of_the_next_version_can_be_read() -> None:
    """Keys that a later version added are no obstacle."""
    entry = {"generation": 1, "system": "/a", "commit": None, "colour": "green"}
    assert Ledger.from_json({"generations": [entry], "more": 1}).by_system("/a") is not None


@pytest.mark.parametrize(("first", "busy"), [(2, False), (101, False), (11, True)])
def test_a_lock_met_by_the_second_try_does_not_mean_that_nothing_was_touched(
    tmp_path: Path, first: int, *, busy: bool
) -> None:
    """Only a switch whose first run met the lock touched nothing; one that stopped half-way must be undone."""
    program = tmp_path / "bin/switch-to-configuration"
    program.parent.mkdir()
    again = "echo Could not acquire lock; exit 11"
    program.write_text(
        f"#!/bin/sh\ntest -e {tmp_path}/ran && {{ {again}; }}\n"
        f"touch {tmp_path}/ran\ntest {first} = 11 && {{ {again}; }}\nexit {first}\n"
    )
    program.chmod(0o755)
    done = switch(str(tmp_path), "test", tmp_path / "log", again=True)
    assert (done.code, done.busy, done.active) == (11, busy, False)


def test_memory_is_read_in_bytes() -> None:
    """Sizes are bytes, whatever the kernel counts in."""
    assert facts.memory("MemTotal: 4 kB\nMemAvailable:  2 kB\n") == {"total": 4096, "available": 2048}


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    """A command that does not end in time is killed together with all that it started."""
    mark = tmp_path / "pid"
    done = run(("sh", "-c", f"sleep 1000 & echo $! > {mark}; wait"), within=0.5)
    assert done.code == TIMED_OUT
    with pytest.raises(HostError, match="took too long"):
        must(done)
    state, patience = Path(f"/proc/{mark.read_text().strip()}/stat"), time.monotonic() + 10
    while lives(state):
        assert time.monotonic() < patience
        time.sleep(0.01)


def lives(state: Path) -> bool:
    """Say whether a process still runs, by its page below /proc."""
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_last_line_of_a_command_is_its_error() -> None:
    """When a command fails, its last words are the error; a missing one is told by name."""
    with pytest.raises(HostError, match=r"^it is not there$"):
        must(run(("sh", "-c", "echo begin; echo 'it is not there' >&2; exit 3"), within=5))
    with pytest.raises(HostError, match="no-such-program cannot be run"):
        run(("no-such-program",), within=5)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file that is there is not overwritten by a second request, and no half file is ever seen."""
    path = tmp_path / "x.json"
    assert files.create_json(path, {"a": 1})
    assert not files.create_json(path, {"a": 2})
    files.write_json(path, {"a": 3})
    assert files.read_json(path) == {"a": 3}
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """A link that waits under the name of the temporary file is taken away; what it names stays as it is."""
    (tmp_path / "victim").write_text("mine")
    (tmp_path / f".x.json.{os.getpid()}.tmp").symlink_to("victim")
    files.write_json(tmp_path / "x.json", {"a": 1})
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (tmp_path / "x.json").is_symlink()
    assert files.read_json(tmp_path / "x.json") == {"a": 1}


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    """Links, pipes and files that are too large count as absent, whoever put them there."""
    (tmp_path / "target.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("target.json")
    os.mkfifo(tmp_path / "pipe.json")
    assert files.read_json(tmp_path / "link.json") is None
    assert files.read_json(tmp_path / "pipe.json") is None
    assert files.read_json(tmp_path / "target.json", limit=1) is None
    assert files.read_json(tmp_path / "target.json") == {}


def test_a_lock_excludes_and_can_be_seen(tmp_path: Path) -> None:
    """Who holds a lock keeps others out, and others can see that it is held."""
    path = tmp_path / "lock"
    with files.locked(path, patience=0) as mine:
        assert mine
        assert path.stat().st_mode & 0o777 == 0o600
        assert files.is_locked(path)
        with files.locked(path, patience=0) as second:
            assert not second
    assert not files.is_locked(path)


def test_a_lock_can_be_seen_by_who_cannot_open_it(tmp_path: Path) -> None:
    """Another user sees that a lock is held without opening it, and so cannot hold it."""
    path = tmp_path / "lock"
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.getuid() and str(folder) != tempfile.gettempdir():
            folder.chmod(0o755)
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(files.__file__).parents[2])!r})
from pathlib import Path
from opsbot.onhost import files
if os.getuid() == 0:
    os.setuid(65534)
    try:
        open({str(path)!r}).close()
        sys.exit("it could be opened")
    except PermissionError:
        pass
print(files.is_locked(Path({str(path)!r})))
"""
    argv = [sys.executable, "-c", code]
    with files.locked(path, patience=0):
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "True\n"
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("row", "held"),
    [
        ("1: FLOCK  ADVISORY  WRITE 7 fe:00:42 0 EOF", True),
        ("1: FLOCK  ADVISORY  WRITE 7 fe:00:43 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE 7 fe:01:42 0 EOF", False),
        ("1: FLOCK  ADVISORY  READ  7 fe:00:42 0 EOF", False),
        ("1: -> FLOCK  ADVISORY  WRITE 7 fe:00:42 0 EOF", False),
        ("1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF", False),
    ],
)
def test_the_kernels_list_of_locks_is_read(row: str, *, held: bool) -> None:
    """A lock is held when the kernel lists it for this very file, as one that excludes others."""
    assert files.lists_lock(f"{row}\n", os.makedev(0xFE, 0), 42) is held
    assert not files.lists_lock(row.replace("fe:00", "00:1b"), os.makedev(0, 0x2F), 42)


def test_what_is_no_plain_file_is_no_lock(tmp_path: Path) -> None:
    """A pipe or a link in place of a lock holds nobody up: it is refused, and counts as not held."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for name in ("pipe", "link"):
        assert not files.is_locked(tmp_path / name)
        with pytest.raises(HostError, match="no plain file"), files.locked(tmp_path / name, patience=0):
            pass


_CONFIG = {"host": "ops-jrz1", "platform": {"url": "u"}, "projects": {"hello-bot": {"url": "u"}}}


def test_a_short_configuration_is_enough() -> None:
    """Host, platform and projects are enough; all else has its usual place."""
    config = parse(json.dumps(_CONFIG), Path("/etc/opsbot/host.json"))
    assert config.project("hello-bot").input == "hello-bot"
    assert (config.state, config.platform.branch) == (Path("/var/lib/opsbot"), "main")
    assert (config.platform.branches, config.platform.tags, config.platform.signers) == (("main",), (), None)
    with pytest.raises(HostError, match="has no project shop"):
        config.remote("shop")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"hots": 1}, "hots"),
        ({"host": "../x"}, "host"),
        ({"platform": {}}, "platform.url"),
        ({"platform": {"url": "--upload-pack=x"}}, "platform.url"),
        ({"platform": {"url": "u", "branches": ["release/*"]}}, "platform.branches"),
        ({"platform": {"url": "u", "signers": "etc/signers"}}, "platform.signers"),
        ({"projects": {"platform": {"url": "u"}}}, "projects.platform"),
        ({"projects": {"a": {"url": "u", "settle": 0}}}, "projects.a.settle"),
        ({"restart": ["nginx"]}, "restart"),
        ({"check_user": "root"}, "check_user"),
        ({"services": {"forge": {"http": ["http://127.0.0.1/"]}}}, "services.forge.units"),
        ({"services": {"forge": {"units": ["x.service"], "url": "u"}}}, "services.forge.url"),
        ({"services": {"forge": {"units": ["x.service"], "tcp": ["22"]}}}, "services.forge.tcp"),
        ({"services": {"forge": {"units": ["x.service"], "active": 10}}}, "services.forge.active"),
        ({"projects": {"a": {"url": "u", "http": ["file:///etc/passwd"]}}}, "projects.a.http"),
        ({"projects": {"a": {"url": "u", "http": [{"url": "http://h/", "status": 99}]}}}, "projects.a.http.status"),
        ({"projects": {"a": {"url": "u", "http": ["http://h/", {"url": "http://h/"}]}}}, "projects.a.http"),
        ({"projects": {"a": {"url": "u", "commands": {"x": "true"}}}}, "projects.a.commands.x"),
        ({"projects": {"a": {"url": "u", "commands": {"x": ["true"]}}}}, "projects.a.commands.x"),
        ({"projects": {"a": {"url": "u", "commands": {"x": {"argv": ["/x"], "user": "a"}}}}}, "commands.x.user"),
    ],
)
def test_a_wrong_configuration_is_told_by_its_place(change: dict[str, object], where: str) -> None:
    """The first thing that is wrong in the configuration is told with its place."""
    with pytest.raises(ConfigError, match=where):
        parse(json.dumps({**_CONFIG, **change}), Path("/x"))
