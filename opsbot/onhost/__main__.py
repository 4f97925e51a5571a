"""The host's helper: the forced command of the bot, the program of its units, and a person's way in at the console."""

import argparse
import json
import os
import pwd
import re
import select
import signal
import sys
import time
import traceback
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from opsbot.onhost import VERSION, files, grammar
from opsbot.onhost.config import Config, load
from opsbot.onhost.errors import HostError, told
from opsbot.onhost.state import ENDED, folders, job_state
from opsbot.onhost.verbs import VERBS, answer

_PATH = "/run/current-system/sw/bin:/run/wrappers/bin:/usr/bin:/bin"
_STDIN = 10.0
_WHO = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def _emit(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _stdin() -> bytes:
    data, deadline = b"", time.monotonic() + _STDIN
    while len(data) <= grammar.REQUEST_LIMIT:
        if not select.select([0], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise HostError("bad-request", "The arguments did not end within 10 s.")
        piece = os.read(0, 65536)
        if not piece:
            break
        data += piece
    return data


def _verb() -> str:
    verb = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    if not re.fullmatch(r"[a-z]{1,20}", verb):
        raise HostError("bad-request", "A verb is one lower-case word.")
    return verb


def ssh(config: Path) -> int:
    """Answer the one verb that sshd was asked for; the exit status is 0 if the last line could be written."""
    try:
        try:
            last = {"ok": True, "result": answer(load(config), _verb(), _stdin(), _emit)}
        except HostError as error:
            last = {"ok": False, "error": error.as_json()}
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except Exception as error:  # noqa: BLE001 - the bot is answered whatever happens
            traceback.print_exc()
            last = {"ok": False, "error": told(error).as_json()}
        _emit(last)
    except BrokenPipeError:
        # Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return 0


def _work() -> Any:
    """Return what the units run; the bot's questions are answered without loading it."""
    return import_module("opsbot.onhost.work")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _show(config: Config, job: str) -> None:
    state = job_state(config, job)
    _say(f"job {job}")
    for part in ("prepare", "activate", "publish"):
        found = state[part]
        if found is None:
            continue
        _say(f"  {part}: {found['status']}")
        for key in ("project", "revision", "pin", "system", "base", "generation", "deadline", "why", "error", "main"):
            if found.get(key) is not None:
                _say(f"    {key}: {found[key]}")
        for words in found.get("failed_units") or []:
            _say(f"    failed: {words['unit']}")


def _list(config: Config) -> None:
    for row in answer(config, "list", b"", _emit):
        asked = datetime.fromtimestamp(row["asked"], UTC).strftime("%Y-%m-%d %H:%M")
        parts = ", ".join(f"{part} {row[part]}" for part in ("prepare", "activate", "publish") if row[part])
        _say(f"{asked}  {row['job']}  {row['project'] or 'generation'}  {parts}")


def _note(config: Config, job: str, verb: str) -> None:
    """Write down what a person does, so that the bot can tell the others; what changes nothing is not worth it."""
    status = (job_state(config, job)["activate"] or {}).get("status")
    if status == "waiting" or (verb == "revert" and status not in ENDED | {None}):
        who = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
        done = {"verb": verb, "by": who if _WHO.fullmatch(who) else "somebody", "at": time.time()}
        files.write_json(folders(config).request(job, "console"), done)


def _confirm(config: Config, job: str) -> None:
    _note(config, job, "confirm")
    answer(config, "confirm", json.dumps({"job": job}).encode(), _emit)
    while job_state(config, job)["activate"]["status"] not in ENDED | {"lost"}:
        time.sleep(0.2)
    _show(config, job)


def _revert(config: Config, job: str, reason: str) -> None:
    _note(config, job, "revert")
    said = {"job": job, "reason": reason}
    files.create_json(folders(config).request(job, "revert"), said)
    _work().revert(config, job, reason)
    _show(config, job)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="opsbot-host", description=__doc__)
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--config", type=Path, default=Path("/etc/opsbot/host.json"), metavar="FILE")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ssh", help="answer the bot, as sshd's forced command")
    of_unit = commands.add_parser("unit", help="do what a systemd unit is for")
    of_unit.add_argument(
        "verb", choices=sorted({row.unit.removeprefix("opsbot-") for row in VERBS.values() if row.unit})
    )
    of_unit.add_argument("job")
    commands.add_parser("check", help="only read the configuration, and say what is wrong with it")
    commands.add_parser("list", help="list the newest jobs")
    for name, text in (
        ("state", "show a job"),
        ("confirm", "keep what runs"),
        ("revert", "go back to what ran before"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("job")
        if name == "revert":
            command.add_argument("--reason", default="A person at the console asked to go back.")
    return parser.parse_args(argv)


def _end(*_: object) -> NoReturn:
    raise SystemExit(143)


def main(argv: list[str] | None = None) -> int:
    """Run the helper; exit 0 when it did what it was asked, 1 with a sentence when not."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("PATH", _PATH)
    # What root writes is read by the others, whatever a person at the console is used to.
    os.umask(0o022)
    if arguments.command == "ssh":
        return ssh(arguments.config)
    # An exception, so that the commands that run are ended with us.
    signal.signal(signal.SIGTERM, _end)
    try:
        config = load(arguments.config)
        job = grammar.job(arguments.job) if hasattr(arguments, "job") else ""
        match arguments.command:
            case "check":
                _say(f"{arguments.config} is well.")
            case "unit":
                _work().unit(config, arguments.verb, job)
            case "list":
                _list(config)
            case "state":
                _show(config, job)
            case "confirm":
                _confirm(config, job)
            case "revert":
                _revert(config, job, arguments.reason)
    except HostError as error:
        sys.stderr.write(f"opsbot-host: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
