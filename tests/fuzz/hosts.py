"""What passes between the bot and a host, and what a host reads of its own programs and of other people's code."""

# ruff: noqa: PT017 - what comes in may be read or refused, and both ways something holds

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from opsbot import answers
from opsbot.errors import OpsbotError
from opsbot.onhost import config, files, git, grammar, hazards, lockfile, nix, switch, systemd, units
from opsbot.onhost.errors import HostError
from opsbot.onhost.sections import UNIT as UNIT_NAME
from opsbot.onhost.verbs import VERBS, answer, request
from opsbot.render.text import words
from tests.fuzz.tools import JSON, ODD, deep, edited, edited_json, is_plain, parser, pieces
from tests.onhost.test_any_request import CODES, Host, asked

HOST = Host(Path(tempfile.mkdtemp(prefix="opsbot-fuzz-")))
HASH = "0" * 32


def encoded(said: str) -> bytes:
    """Return a text as bytes, halves of characters included."""
    return said.encode(errors="surrogatepass")


@parser(
    "host-requests",
    asked()
    | st.tuples(st.sampled_from(sorted(VERBS)) | ODD, (deep() | edited(('{"job": "job1"}',), "{", ",")).map(encoded)),
)
def host_request(question: tuple[str, bytes]) -> None:
    """Whatever the bot asks of a host is answered or refused with a code and a sentence, and touches only requests."""
    lines: list[dict[str, Any]] = []
    refused = {"code": "bad-request", "message": "Something."}
    try:
        lines.append({"result": answer(HOST.config, *question, lines.append)})
    except HostError as error:
        refused = error.as_json()
    assert refused["code"] in CODES
    assert 0 < len(refused["message"].strip()) < 2000
    assert json.loads(json.dumps([*lines, refused]))
    assert HOST.untouched(), question


@parser(
    "host-requests",
    st.tuples(st.sampled_from(sorted(VERBS)), edited_json([{"job": "job1", "project": "hello-bot"}]) | JSON),
)
def order_file(order: tuple[str, Any]) -> None:
    """What root reads in the folder of a lesser user is what the grammar takes, to the letter, or refused."""
    verb, said = order
    path = HOST.root / "order.json"
    path.write_text(json.dumps(said), encoding="utf-8")
    found = files.read_json(path)
    path.unlink()
    HOST.before = HOST.everything()
    if found is None:
        return
    try:
        arguments = request(verb, found)
    except HostError as error:
        assert error.code == "bad-request"
        return
    assert set(arguments) == {one.name for one in VERBS[verb].arguments}
    # Written down and read once more, it is the same request.
    again = grammar.check(VERBS[verb].arguments, json.loads(json.dumps(arguments)))
    assert json.dumps(again) == json.dumps(arguments)


LINES = (
    '{"ok": true, "result": {"units": {}}}',
    '{"ok": false, "error": {"code": "busy", "message": "Job j4k2 holds this host."}}',
    '{"text": "building", "offset": 12}',
    '{"beat": 1}',
)


@parser("host-answers", (edited(LINES, "ok", "text", "{", "NaN") | deep()).map(encoded) | st.binary(max_size=80))
def host_answer(line: bytes) -> None:
    """Whatever a host answers is a line of the protocol, or an error with a plain sentence."""
    said = answers.parsed(line)
    try:
        if said is None:
            raise answers.no_helper("ops-jrz1", 1, line)
        answers.result(said)
    except OpsbotError as error:
        assert len(words(str(error)).body) <= len(line) + 300
        assert is_plain(words(str(error)).body)
        assert isinstance(getattr(error, "code", ""), str)


LOG = (
    "building '/nix/store/0123456789abcdfghijklmnpqrsvwxyz-hello-bot-1.0.drv'...",
    "error: builder for '/nix/store/0123456789abcdfghijklmnpqrsvwxyz-hello-bot-1.0.drv' failed with exit code 1;",
    "error: Cannot build '/nix/store/0123456789abcdfghijklmnpqrsvwxyz-hello-bot-1.0.drv'.",
    "hello-bot> \x1b[31mFAILED\x1b[0m tests/test_x.py",
    '@nix {"action":"result","fields":["x"],"id":1,"type":101}',
    "error: build of '/nix/store/a.drv^out' failed",
)


@parser(
    "build-log",
    st.tuples(
        st.lists(
            (edited(LOG, "\r", "\x1b[2K", "failed", ".drv'", "'") | deep()).map(encoded) | st.binary(max_size=80),
            max_size=12,
        ),
        st.integers(0, 50),
    ),
)
def build_log(said: tuple[list[bytes], int]) -> None:
    """Whatever a build prints, of each line so much is read as fits, and what is told of it is short and plain."""
    rows, offset = said
    path = HOST.root / "log"
    path.write_bytes(b"\n".join(rows))
    failed, tail = nix.explain(nix.short_lines(path, offset))
    path.unlink()
    assert len(tail) <= 20
    assert all(len(line) <= 500 for line in tail)
    assert not any(set(line) & set("\x00\x1b\x7f\n\r") for line in tail)
    assert failed is None or len(failed) <= 4096
    assert is_plain(words(failed or "").body)


@parser("host-programs", pieces("hello-bot: 1.0 → 1.1, +12.3 KiB", "\x1b[32;1m", "ε → ∅", " ", most=40))
def closure_diff(said: str) -> None:
    """Whatever Nix says of two closures is lines without colours or control characters."""
    for line in nix.parse_diff(said):
        assert line.strip()
        assert not set(line) & set("\x00\x1b\x7f\n\r")


UNIT = (
    "[Unit]\nDescription=x\nRequires=network.target postgresql.service\n\n[Service]\n"
    f"ExecStart=/nix/store/{HASH}-forgejo-7.0.12/bin/forgejo web\nX-RestartIfChanged=false\n"
)


def unit_texts() -> st.SearchStrategy[str]:
    """Return unit files."""
    return edited(
        (UNIT,), "[Unit]", "[", "]", "=", "\\\n", "Before=network.target", "X-ReloadIfChanged=true", "ExecStart="
    )


@parser("unit-files", st.tuples(unit_texts(), unit_texts(), unit_texts()))
def unit_file(texts: tuple[str, str, str]) -> None:
    """Whatever stands in the unit files of two systems, what a switch would do to each unit can be said."""
    one, two, three = (units.parse_unit(text) for text in texts)
    old, new = {"a.service": one, "b.socket": two}, {"a.service": two, "b.socket": two, "c.mount": three}
    found = units.changes(old, new, ({("x.target", "a.service")}, set()), {"a.service", "b.socket"})
    assert found.touched() <= set(old) | set(new)
    assert (units.compare(one, two) is units.Difference.NONE) is (units.compare(two, one) is units.Difference.NONE)
    assert units.compare(one, one) is units.Difference.NONE
    assert units.depending(new, ["a.service"]) <= set(new)
    value = f"x{texts[2]}y".replace("\\\n", "").replace("\n", "")
    (read,) = units.parse_unit(f"[Service]\nExecStart={value}\n")["Service"]["ExecStart"]
    assert read == value, "nothing in a value hides what follows it"
    units.required(new, {("a.service", "c.mount")}, ["a.service"])
    units.of_network(new, new)
    units.truth(one, "Service", "X-RestartIfChanged", default=True)


@parser(
    "unit-files", st.tuples(*2 * (edited(("7.0.12", "0.5.0-rc.8", "16.4", "6.6.32", "2024-05-01"), ".", "-rc", "+"),))
)
def version(versions: tuple[str, str]) -> None:
    """Whatever two versions are, at most one of them is the older."""
    one, two = versions
    assert not (hazards.is_older(one, two) and hazards.is_older(two, one))
    assert not hazards.is_older(one, one)


SHOWN = (
    "Id=nginx.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"
    "ActiveEnterTimestamp=Mon 2026-11-23 08:00:00 UTC\nActiveEnterTimestampMonotonic=12345678\n"
)


@parser(
    "host-programs",
    st.tuples(
        edited((SHOWN, f"{SHOWN}\n{SHOWN}", ""), "Id=", "\n\n", "=", "not-found"), pieces("● ", "x.service", "\n")
    ),
)
def systemctl(said: tuple[str, str]) -> None:
    """Whatever systemctl says, each unit has a state that goes as JSON."""
    found = systemd.parse_show(said[0], ("nginx.service", "b.service"), 1e9, 1e5)
    json.dumps(found)
    assert all("active" in state for state in found.values())
    assert all(name and not set(name) & set(" \n") for name in systemd.parse_failed(said[1]))


SWITCH = (
    "Pre-switch checks failed", "Pre-switch check 'switchInhibitors' failed",
    "There are changes to critical components of the system:", "Switching into this system is not recommended", "dbus",
)  # fmt: skip


@parser(
    "host-programs",
    st.tuples(
        st.integers(-1, 300), st.lists(st.sampled_from(SWITCH) | edited(SWITCH, "'") | JSON.map(str), max_size=8)
    ),
)
def switch_words(said: tuple[int, list[str]]) -> None:
    """Whatever switch-to-configuration says, why it would not begin is a short sentence."""
    code, rows = said
    found = switch.refused(code, [nix.clean(row) for row in rows])
    assert found.code == code
    assert found.refusal is None or is_plain(words(found.refusal).body)


LOGGED = f"{'a' * 40}\0Change it\0eve\n{'b' * 40}\0Merge <b>x</b>\0dan\n"


@parser(
    "host-programs",
    st.tuples(edited((LOGGED, f"{'a' * 40}\trefs/heads/main\n"), "\0", "\n", "\t"), edited(("main", "a" * 7), "/")),
)
def git_words(said: tuple[str, str]) -> None:
    """Whatever git says, a commit is forty digits and its words are cut; a typed name is asked for as a name."""
    rows, name = said
    for row in git.parse_log(rows):
        assert len(row["subject"]) <= 200
        assert len(row["author"]) <= 100
        assert grammar.COMMIT.fullmatch(row["commit"])
    found = git.parse_ls_remote(rows, "refs/heads/main")
    assert found is None or grammar.COMMIT.fullmatch(found)
    subject = name.replace("\n", "").replace("\0", "")
    (only,) = git.parse_log(f"{'c' * 40}\0{subject}\0{subject}\n")
    assert only["subject"] == subject[:200], "nothing in a subject hides its commit"
    for full, asked_for in git.candidates(name):
        assert asked_for.startswith("refs/") or (not full and grammar.SHORT_COMMIT.fullmatch(name))


def input_of(rev: str, **more: Any) -> dict[str, Any]:
    """Return the node of an input from a git repository."""
    url = "https://git.example.org/x.git"
    return {"locked": {"type": "git", "url": url, "rev": rev}, "original": {"type": "git", "url": url}, **more}


def lock_of(rev: str) -> dict[str, Any]:
    """Return a lock with two projects, of which one follows nixpkgs and has a library of its own."""
    hello = input_of(rev, inputs={"nixpkgs": ["nixpkgs"], "library": "library"})
    nodes = {
        "hello-bot": hello,
        "nixpkgs": input_of("c" * 40),
        "library": input_of("d" * 40),
        "shop": input_of("e" * 40),
    }
    root = {"inputs": {"hello-bot": "hello-bot", "nixpkgs": "nixpkgs", "shop": "shop"}}
    return {"nodes": {**nodes, "root": root}, "root": "root", "version": 7}


def diamonds(depth: int) -> dict[str, Any]:
    """Return a lock in which each of so many layers has two ways to the next: more ways than anybody counts."""
    layers = {f"n{n}": input_of("f" * 40, inputs={"a": f"n{n + 1}", "b": f"n{n + 1}"}) for n in range(depth)}
    layers[f"n{depth}"] = input_of("f" * 40)
    lock = lock_of("a" * 40)
    lock["nodes"] |= layers
    lock["nodes"]["hello-bot"]["inputs"]["deep"] = "n0"
    return lock


def circle() -> dict[str, Any]:
    """Return a lock in which two inputs follow each other."""
    lock = lock_of("a" * 40)
    lock["nodes"]["hello-bot"]["inputs"] = {"x": ["hello-bot", "y"], "y": ["hello-bot", "x"]}
    return lock


LOCKS = st.one_of(
    edited_json([lock_of("a" * 40), lock_of("b" * 40), circle()]).map(json.dumps),
    st.sampled_from([lock_of("a" * 40), lock_of("b" * 40), diamonds(3), diamonds(60), circle()]).map(json.dumps),
    edited((json.dumps(lock_of("a" * 40)), "<<<<<<< ours\n{}\n>>>>>>>"), '"root"', "{}", "[]"),
    deep(),
)


@parser("flake-lock", st.tuples(LOCKS, LOCKS))
def flake_lock(texts: tuple[str, str]) -> None:
    """Whatever two locks say, a pin is moved from one to the other alone, or refused; the rest is read as it was."""
    with suppress(HostError):
        one, two = (lockfile.parse(text) for text in texts)
        assert lockfile.parse(lockfile.dump(one)) == one
        lockfile.pins(one, {"hello-bot": "hello-bot", "shop": "shop"})
        url = lockfile.override_url(lockfile.node(two, "hello-bot")["locked"], "refs/heads/main", "b" * 40)
        assert url.isprintable()
        assert not url.startswith("-")
        moved = lockfile.graft(one, two, "hello-bot")
        pin = lockfile.pin(two, "hello-bot")
        assert lockfile.pin(moved, "hello-bot") == pin
        for name in ("nixpkgs", "shop"):
            with suppress(HostError):
                assert lockfile.pin(moved, name) == lockfile.pin(one, name)
        assert lockfile.parse(lockfile.dump(moved)) == moved
    with suppress(HostError):
        one, two = (lockfile.parse(text) for text in texts)
        lockfile.check_moved(one, two, "hello-bot", "b" * 40)
        assert lockfile.pin(two, "hello-bot") == "b" * 40
        assert lockfile.pins(one, {"shop": "shop"}) == lockfile.pins(two, {"shop": "shop"})


OWN = {
    "host": "ops-jrz1",
    "platform": {"url": "file:///x.git", "branches": ["main"]},
    "projects": {"hello-bot": {"url": "file:///y.git", "units": ["hello-bot.service"], "checks": [], "window": 180}},
    "services": {},
    "restart": ["nginx.service"],
    "free": {"/boot": 64},
}


@parser("host-config", edited_json([OWN]).map(json.dumps) | deep() | edited((json.dumps(OWN),), "{", "-"))
def host_config(text: str) -> None:
    """Whatever a host's own configuration says, it is read or the first wrong thing in it is told."""
    try:
        found = config.parse(text, HOST.host_json)
    except HostError as error:
        assert error.message.startswith("The host's configuration is wrong at ")
        return
    assert found.platform.protects(f"refs/heads/{found.platform.branch}")
    assert found.check_user != "root"
    assert all(UNIT_NAME.fullmatch(unit) for unit in found.restart)


HELD = "1: FLOCK  ADVISORY  WRITE 4242 fe:01:131 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 4243 fe:01:131 0 EOF\n"


@parser("host-programs", edited((HELD, ""), "FLOCK", "WRITE", ":", " ", "\n"))
def kernel_locks(rows: str) -> None:
    """Whatever the kernel lists, a lock is held or not."""
    assert files.lists_lock(rows, 0xFE01, 131) in (True, False)
