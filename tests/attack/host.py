"""What a thief of the bot's key does with it: ways around a forced command, and frames that are no questions."""

import json

from tests.attack.attempt import Attempt, Told
from tests.attack.kinds import NO, RUNNING, key, verb
from tests.attack.world import World

_BAD = "bad-request"
_EVIL = "/nix/store/00000000000000000000000000000000-nixos-system-evil"
_DEEP = b"[" * 30_000


def _frame(what: str, name: str, said: bytes, words: str) -> Attempt:
    attempt = key(what, (name,), words, said=said)
    return Attempt(**{**vars(attempt), "refused": (NO, words)})


def _word(what: str, *words: str) -> Attempt:
    attempt = key(what, words, "A verb is one lower-case word.")
    return Attempt(**{**vars(attempt), "refused": (NO, *attempt.refused)})


async def _environment(world: World) -> Told:
    """The client sends variables that would make Python, the shell or the loader run something."""
    evil = world.folder / "evil"
    evil.mkdir(exist_ok=True)
    (evil / "sitecustomize.py").write_text(f"open({str(world.pwned)!r}, 'w').close()\n")
    (evil / "profile").write_text(f"touch {world.pwned}\n")
    sent = f"SetEnv=PYTHONPATH={evil} BASH_ENV={evil}/profile ENV={evil}/profile SSH_ORIGINAL_COMMAND=list"
    return Told(words=await world.ssh("Facts", options=("-o", sent)))


async def _other_key(world: World) -> Told:
    other = world.machine.client_key
    return Told(
        words=await world.ssh(
            "list", options=("-o", f"IdentityFile={other}", "-o", "IdentityAgent=none", "-l", "nobody")
        )
    )


async def _flood(world: World) -> Told:
    return Told(words=await world.ssh("prepare", said=b" " * 10_000_000))


SSH = (
    _word("a shell", "sh", "-c", "'id'"),
    _word("no command at all"),
    _word("a semicolon", "facts;id"),
    _word("a command in the command", "$(id)"),
    _word("a second line", "facts\nid"),
    _word("a pipe", "facts|sh"),
    _word("a path in place of a verb", "/bin/sh"),
    _word("an option of the helper", "--config=/tmp/x"),
    _word("a verb in capitals", "FACTS"),
    key("a verb that is none", ("exec",), "There is no verb 'exec'."),
    _word("scp of a file, the old way", "scp", "-f", "/etc/passwd"),
    _word("git over the key", "git-upload-pack", "/srv/git"),
    Attempt(
        what="variables for Python, shell and command",
        by="stolen SSH key",
        act=_environment,
        refused=(NO, "A verb is one"),
    ),
    key("a tunnel to a port", (), "administratively prohibited", options=("-W", "127.0.0.1:22")),
    key(
        "a port that listens on the host",
        ("list",),
        "remote port forwarding failed",
        options=("-R", "7777:127.0.0.1:22"),
    ),
    key("a socket that listens on the host", ("list",), "forwarding failed", options=("-R", "{pwned}:127.0.0.1:22")),
    key("a network device", ("list",), "Tunnel", options=("-o", "Tunnel=point-to-point", "-w", "any")),
    key("a terminal", ("facts",), "PTY allocation request failed", options=("-tt",)),
    key("sftp", ("sftp",), "subsystem request failed", options=("-s",)),
    key("a subsystem by another name", ("netconf",), "subsystem request failed", options=("-s",)),
    Attempt(
        what="another key, another user",
        by="somebody with no key",
        act=_other_key,
        refused=("Permission denied (publickey)",),
    ),
    key(
        "a password",
        (),
        "Permission denied (publickey)",
        options=("-o", "PreferredAuthentications=password,keyboard-interactive"),
    ),
)

FRAMES = (
    Attempt(what="ten million bytes", by="stolen SSH key", act=_flood, refused=(NO, "The request is too long.")),
    _frame("no JSON", "prepare", b"job=j1", "The request is not JSON."),
    _frame("bytes that are no text", "prepare", b'{"job": "\xff\xfe"}', "The request is not JSON."),
    _frame("a list", "prepare", b'["j1"]', "The request is not a JSON object."),
    _frame("thirty thousand brackets", "prepare", _DEEP, "The request is not JSON."),
    _frame(
        "two objects, one a line",
        "restart",
        b'{"unit": "nginx.service"}\n{"unit": "sshd.service"}',
        "The request is not JSON.",
    ),
    _frame(
        "the same argument twice",
        "restart",
        b'{"unit": "nginx.service", "unit": "sshd.service"}',
        "says the same thing twice",
    ),
    _frame(
        "an argument too many",
        "prepare",
        json.dumps({"job": "jx01", "project": "hello-bot", "url": "ext::sh"}).encode(),
        "There is no argument 'url' here.",
    ),
    verb("a path as the id of a job", "prepare", _BAD, job="../../etc", project="hello-bot"),
    verb("a job of another kind of value", "state", _BAD, job={"$gt": ""}),
    verb("a job's log outside of its folder", "follow", _BAD, job="job1", log="../../../etc/shadow"),
    verb("a project that the host does not list", "prepare", "unknown", job="jx02", project="nixpkgs"),
    verb("a path as a project", "prepare", _BAD, job="jx03", project="../platform"),
    verb(
        "an option of git as a revision",
        "prepare",
        _BAD,
        job="jx04",
        project="hello-bot",
        revision="--upload-pack=touch",
    ),
    verb("a refspec as a revision", "prepare", _BAD, job="jx05", project="hello-bot", revision="main:refs/heads/main"),
    verb("a name of git's own as a revision", "prepare", _BAD, job="jx06", project="hello-bot", revision="@{-1}"),
    verb("what was never built", "activate", "unknown", job="jx07", base=RUNNING, system=_EVIL),
    verb("a file as the system", "activate", _BAD, job="jx08", base="/etc/passwd"),
    verb("a generation that there is not", "rollback", "unknown", job="jx09", base=RUNNING, generation=999),
    verb("a base that does not run", "rollback", "base-moved", job="jx14", base=_EVIL, generation=31),
    verb("a generation as a path", "rollback", _BAD, job="jx10", base=_EVIL, generation="../../evil"),
    verb("a window of a year", "activate", _BAD, job="jx11", base=_EVIL, window=31_536_000),
    verb("the restart of sshd", "restart", "unknown", unit="sshd.service"),
    verb("the restart of the bot's own unit", "restart", "unknown", unit="opsbot-activate@job1.service"),
    verb("a unit that is an option", "restart", _BAD, unit="--force"),
    verb("the log of a unit that is a path", "logs", _BAD, unit="../../../etc/shadow.service"),
    verb("a million lines of a log", "logs", _BAD, unit="nginx.service", lines=1_000_000),
    verb("the confirmation of a job that is none", "confirm", "unknown", job="jx12"),
    verb("the publication of what was not committed", "publish", "unknown", job="jx13"),
)
