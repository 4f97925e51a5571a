"""Plays opsbot-host behind a real sshd: the verb says what it does."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any


def say(line: Any) -> None:
    """Write one JSON line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def end(result: Any) -> None:
    """Write the last line of a good answer."""
    say({"ok": True, "result": result})


def follow(arguments: dict[str, Any]) -> None:
    """Play a log: what is to be written stands in the name of the log."""
    say({"beat": 1.0})
    say({"offset": arguments["offset"], "text": "one\n"})
    match arguments["log"]:
        case "short":
            say({"offset": arguments["offset"] + 4, "text": "zwei \ufffd\n"})
            end({"job": arguments["job"]})
        case "refused":
            say({"ok": False, "error": {"code": "unknown", "message": "There is no such job."}})
        case "laden":
            say({"offset": 0, "next": 1, "text": "x"})
            end({"job": arguments["job"], "words": "x" * 500_000})
        case "endless":
            while True:
                say({"beat": time.time()})
                time.sleep(0.02)
        case "silent":
            time.sleep(3600)
        case "long":
            say({"text": "x" * 5_000_000})
            time.sleep(3600)
        case "cut":
            sys.stdout.write('{"offset": 4, "te')


def write(text: str) -> None:
    """Write to standard output what is no JSON."""
    sys.stdout.write(text)


def complain(text: str) -> None:
    """Write to standard error, as Latin-1."""
    sys.stderr.buffer.write(text.encode("latin-1"))


def die(text: str, status: int) -> None:
    """End with an exit status that is not 0."""
    complain(text)
    sys.exit(status)


def write_bytes(_: dict[str, Any]) -> None:
    """Answer with bytes that are no UTF-8."""
    sys.stdout.buffer.write(b'{"ok": true, "result": "caf\xe9 \xff"}\n')


def complain_and_answer(_: dict[str, Any]) -> None:
    """Fill standard error before the answer."""
    complain("warning: \u00e9\n" * 100_000)
    end("well")


VERBS: dict[str, Callable[[dict[str, Any]], None]] = {
    "facts": lambda asked: end({"pid": os.getpid(), "connection": os.environ["SSH_CONNECTION"], "arguments": asked}),
    "no": lambda _: say({"ok": False, "error": {"code": "busy", "message": "Somebody else switches this host."}}),
    "slow": lambda _: time.sleep(3600),
    "bytes": write_bytes,
    "complains": complain_and_answer,
    "large": lambda _: end("x" * 500_000),
    "huge": lambda _: end("x" * 5_000_000),
    "follow": follow,
    "killed": lambda _: os.kill(os.getpid(), signal.SIGTERM),
    "nologin": lambda _: die("This account is currently not available.\n", 1),
    "missing": lambda _: die("sh: 1: opsbot-host: not found\n", 127),
    "shell": lambda _: write("Welcome!\n"),
    "list": lambda _: say(["not", "an", "object"]),
    "nothing": lambda _: None,
}

verb = os.environ["SSH_ORIGINAL_COMMAND"]
if verb == "deaf":
    end("deaf")
else:
    VERBS[verb](json.loads(sys.stdin.read() or "{}"))
