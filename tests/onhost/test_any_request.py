"""Whatever arrives, the helper answers with one of its codes, and touches nothing but its own requests."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsbot.onhost.config import Config, load
from opsbot.onhost.errors import HostError
from opsbot.onhost.verbs import VERBS, answer

TOP = Path(__file__).parents[2]
CODES = {"bad-request", "unknown", "conflict", "busy", "base-moved", "not-ready", "cancelled", "failed"}
#: The only files that a question may leave behind.
REQUEST = re.compile(r"[a-z][a-z0-9]{3,31}\.(prepare|activate|rollback|confirm|revert|publish|cancel)\.json")
SYSTEM = "0" * 32 + "-nixos-system-ops-jrz1-24.05"
ODD = st.sampled_from(
    [
        "../x",
        "/etc/passwd",
        "a/b",
        "a\x00b",
        "-x",
        "--help",
        "$(id)",
        "`id`",
        "a;b",
        "a b",
        "a\nb",
        "%i",
        "ö",
        "x" * 300,
    ]
)
#: What the arguments of the table are made of: things that they take, things that only look so, and anything.
TRUE: dict[str, st.SearchStrategy[Any]] = {
    "job": st.sampled_from(["job1", "job2", "j4k2"]),
    "project": st.sampled_from(["hello-bot", "platform", "shop"]),
    "revision": st.sampled_from(["main", "v1.0", "a" * 40]),
    "note": st.text(max_size=40),
    "reason": st.text(max_size=40),
    "held": st.lists(st.sampled_from(["hello-bot", "shop"]), max_size=2),
    "despite": st.text(max_size=40),
    "base": st.just(f"/nix/store/{SYSTEM}"),
    "system": st.just(f"/nix/store/{SYSTEM}"),
    "window": st.integers(0, 4000),
    "generation": st.integers(-1, 40),
    "unit": st.sampled_from(["nginx.service", "hello-bot.service", "opsbot-revert@job1.service"]),
    "units": st.lists(st.sampled_from(["nginx.service", "x@.service"]), max_size=3),
    "lines": st.integers(-1, 300),
    "log": st.sampled_from(["prepare", "activate", "publish"]),
    "offset": st.integers(-1, 2**60),
    "seconds": st.integers(0, 1),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted({argument.name for verb in VERBS.values() for argument in verb.arguments})


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a verb of the table with bytes: mostly arguments of its own, some of them wrong, some of them others'."""
    verb = draw(st.sampled_from(sorted(VERBS)))
    if draw(st.integers(0, 9)) == 0:
        return verb, draw(st.binary(max_size=200))
    names = [one.name for one in VERBS[verb].arguments if one.required or draw(st.integers(0, 1)) == 1]
    said: dict[str, Any] = {name: draw(TRUE.get(name, ANYTHING)) for name in names}
    if names and draw(st.integers(0, 1)) == 1:
        said[draw(st.sampled_from(names))] = draw(ODD)
    if draw(st.integers(0, 2)) == 0:
        said |= draw(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), ANYTHING, max_size=2))
    return verb, json.dumps(said).encode()


class Host:
    """A host of files alone: there is no systemd, no git and no Nix, so that whatever is begun fails at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        for name in ("requests", "builds", "jobs", "published"):
            (self.state / name).mkdir(parents=True)
        (root / "nix/store" / SYSTEM).mkdir(parents=True)
        (root / "run").mkdir()
        (root / "bin").mkdir()
        for name in ("current", "booted", "system-31-link"):
            (root / "run" / name).symlink_to(root / "nix/store" / SYSTEM)
        (root / "run/system").symlink_to("system-31-link")
        (root / "run/boot_id").write_text("one\n")
        said = {
            "host": "ops-jrz1",
            "state": str(self.state),
            "profile": str(root / "run/system"),
            "running": str(root / "run/current"),
            "booted": str(root / "run/booted"),
            "boot_id": str(root / "run/boot_id"),
            "platform": {"url": f"file://{root}/nowhere.git"},
            "projects": {"hello-bot": {"url": f"file://{root}/nowhere.git", "units": ["hello-bot.service"]}},
            "restart": ["nginx.service"],
        }
        self.host_json = root / "host.json"
        self.host_json.write_text(json.dumps(said))
        self.before = self.everything()

    @property
    def config(self) -> Config:
        """The host's configuration."""
        return load(self.host_json)

    def everything(self) -> dict[str, bytes | str]:
        """Return all that is there, with what is in it, but for the requests."""
        found: dict[str, bytes | str] = {}
        for path in sorted(self.root.rglob("*")):
            if path.parent != self.state / "requests":
                linked = path.is_symlink()
                found[str(path)] = str(path.readlink()) if linked else path.read_bytes() if path.is_file() else ""
        return found

    def untouched(self) -> bool:
        """Say whether nothing is there that was not, but for requests with a job's name."""
        left = [path.name for path in (self.state / "requests").iterdir()]
        return self.everything() == self.before and all(map(REQUEST.fullmatch, left))


@pytest.fixture(scope="module", name="host")
def host_of_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host on which no program is found."""
    host = Host(tmp_path_factory.mktemp("host"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", str(host.root / "bin"))
        yield host


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(question=asked())
@example(question=("state", b'{"job": "job1"}'))
@example(question=("reboot", b""))
@example(question=("", b"{}"))
def test_any_question_has_an_answer_and_leaves_only_requests(host: Host, question: tuple[str, bytes]) -> None:
    """Every verb answers JSON or refuses with one of the codes and a sentence, and touches nothing but its requests."""
    lines: list[dict[str, Any]] = []
    refused = {"code": "bad-request", "message": "Something."}
    try:
        lines.append({"result": answer(host.config, *question, lines.append)})
    except HostError as error:
        refused = error.as_json()
    assert refused["code"] in CODES
    assert 0 < len(refused["message"].strip()) < 2000
    assert json.loads(json.dumps([*lines, refused]))
    assert host.untouched(), question


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
COMMANDS = st.one_of(
    WORDS.map(str.encode),
    st.binary(max_size=60).map(lambda data: data.replace(b"\0", b"")),
    st.tuples(
        st.sampled_from(sorted(VERBS)), st.sampled_from([" ", ";", "\n", "&&", " --config /x ", "$(x)", "\t"])
    ).map(lambda pair: "".join(pair).encode()),
    st.sampled_from(sorted(VERBS)).map(str.encode),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(command=COMMANDS, data=st.one_of(st.binary(max_size=300), asked().map(lambda question: question[1])))
@example(command=b"facts", data=b"x" * 70_000)
@example(command=b"FACTS", data=b"")
@example(command=b"a" * 100_000, data=b"")
@example(command=b"/bin/sh -c reboot", data=b"{}")
@example(command=b"scp -t /etc", data=b"\0")
def test_whatever_ssh_was_asked_for_has_one_well_formed_last_line(host: Host, command: bytes, data: bytes) -> None:
    """Whatever SSH brings, the last line of the answer is a result or a refusal, and nothing complains."""
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-m", "opsbot.onhost", "--config", host.host_json, "ssh"],
        input=data,
        capture_output=True,
        env={**os.environb, b"PYTHONPATH": os.fsencode(TOP), b"SSH_ORIGINAL_COMMAND": command},
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.stdout.endswith(b"\n")
    assert last["ok"] is True or (last["error"]["code"] in CODES and last["error"]["message"].strip())
    assert last["ok"] is not True or command.decode() in VERBS
    assert host.untouched(), (command, data)
