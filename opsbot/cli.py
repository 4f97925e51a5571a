"""The command line."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsbot import __version__
from opsbot.config import FILE_VARIABLE, load
from opsbot.errors import OpsbotError
from opsbot.footprint import loading
from opsbot.masks import Masks

if TYPE_CHECKING:
    from opsbot.commands import Command
    from opsbot.plugins import Loaded

#: Where the configuration is when nobody says otherwise.
CONFIG = "/etc/opsbot/config.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    chosen = parser().parse_args(arguments)
    chosen.masks = Masks()
    try:
        status: int = chosen.do(chosen)
    except OpsbotError as error:
        sys.stderr.write(chosen.masks.over(f"opsbot: {error}\n"))
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def parser() -> argparse.ArgumentParser:
    """Return what takes the command line apart."""
    whole = argparse.ArgumentParser(prog="opsbot", description="A chatops bot for a small team's NixOS platform.")
    whole.add_argument("--version", action="version", version=f"opsbot {__version__}")
    verbs = whole.add_subparsers(required=True, metavar="COMMAND")

    _authoring(verbs)
    place = os.environ.get(FILE_VARIABLE, CONFIG)
    for one in (*_running(verbs), *_keeping(verbs), _slack(verbs)):
        one.add_argument("--config", type=Path, default=Path(place), metavar="FILE", help=f"instead of {place}")
    return whole


def _slack(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    slack = verbs.add_parser("slack", help="set up the way to Slack").add_subparsers(required=True, metavar="WHAT")
    manifest = slack.add_parser("manifest", help="print the manifest from which Slack makes the app")
    manifest.add_argument("--name", default="opsbot", help="how the app is called in Slack, instead of opsbot")
    manifest.set_defaults(do=_slack_manifest)
    login = slack.add_parser(
        "login", help="let the bridge log in with Slack as the bot; also after its database was lost"
    )
    login.add_argument("--only", action="store_true", help="end the bot's logins with other workspaces")
    login.set_defaults(do=_slack_login)
    return login


def _slack_manifest(chosen: argparse.Namespace) -> int:
    from opsbot.slack import printed_manifest  # noqa: PLC0415 - the other commands start faster without it

    sys.stdout.write(printed_manifest(chosen.name))
    return 0


def _slack_login(chosen: argparse.Namespace) -> int:
    config = load(chosen.config, os.environ)
    from opsbot.slack import log_in  # noqa: PLC0415 - as above

    async def lines() -> None:
        async for sentence in log_in(config, os.environ, only=chosen.only, on_secret=chosen.masks.learn):
            sys.stdout.write(chosen.masks.over(f"{sentence}\n"))
            sys.stdout.flush()

    asyncio.run(lines())
    return 0


def _running(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> list[argparse.ArgumentParser]:
    run = verbs.add_parser("run", help="run the bot until it is told to stop")
    run.add_argument(
        "--log", choices=("text", "json"), help="lines of the log; else text on a terminal, JSON elsewhere"
    )
    run.set_defaults(do=_run)
    demo = verbs.add_parser("demo", help="try the bot on this machine; it leaves nothing behind")
    demo.add_argument("--script", type=Path, metavar="FILE", help="say these lines (`person: words`) and end")
    demo.set_defaults(do=_demo)
    check = verbs.add_parser("check", help="try everything that the configuration names")
    check.add_argument("--offline", action="store_true", help="only look at the file itself")
    check.set_defaults(do=_check)
    return [run, check]


def _keeping(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> list[argparse.ArgumentParser]:
    policy = verbs.add_parser("policy", help="hold what the configuration decides against what you expect")
    policy.add_argument("test", choices=("test",), help="the only thing that there is to do with it")
    policy.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="`expect`: rows of person, says and may",
    )
    policy.set_defaults(do=_policy)
    history = verbs.add_parser("history", help="show who asked for what, what was decided, and what came of it")
    history.add_argument("--json", action="store_true", help="a JSON object for each line")
    history.add_argument("--verify", action="store_true", help="only say whether the chain of lines holds")
    history.set_defaults(do=_history)
    backup = verbs.add_parser("backup", help="copy the bot's database, while it runs or not")
    backup.add_argument("file", type=Path, metavar="FILE", help="where to; a former backup there is replaced")
    backup.set_defaults(do=_backup)
    restore = verbs.add_parser("restore", help="put a backup in the place of the database of a bot that does not run")
    restore.add_argument("file", type=Path, metavar="FILE", help="what `opsbot backup` made")
    restore.set_defaults(do=_restore)
    return [policy, history, backup, restore]


def _authoring(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    commands = verbs.add_parser("commands", help="list what can be said to the bot")
    commands.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="further folders of commands")
    commands.add_argument("--markdown", action="store_true", help="as the page of the manual, with the whole help")
    commands.set_defaults(do=_commands)
    new = verbs.add_parser("new", help="write a plugin or a project to begin with, and its test")
    new.add_argument("what", choices=("plugin", "project"), help="a plugin of the bot, or something that it deploys")
    new.add_argument("name", metavar="NAME", help="its name: what it is about, in one word")
    new.add_argument("--folder", type=Path, default=Path(), metavar="FOLDER", help="where, instead of here")
    new.set_defaults(do=_new)


def _run(chosen: argparse.Namespace) -> int:
    config = load(chosen.config, os.environ)
    with loading():
        from opsbot import app, logs  # noqa: PLC0415 - a wrong configuration is told without it, and so at once

    logs.begin(chosen.log or logs.usual_form(), chosen.masks)
    with logs.last_words():
        return asyncio.run(app.main(config, os.environ, on_secret=chosen.masks.learn))


def _demo(chosen: argparse.Namespace) -> int:
    from opsbot.demo.play import demo  # noqa: PLC0415 - its packages are optional

    return asyncio.run(demo(chosen.script))


def _check(chosen: argparse.Namespace) -> int:
    from opsbot.check import check  # noqa: PLC0415 - the other commands start faster without it

    async def lines() -> bool:
        well = True
        async for line in check(chosen.config, os.environ, offline=chosen.offline, on_secret=chosen.masks.learn):
            sys.stdout.write(chosen.masks.over(f"{line}\n"))
            sys.stdout.flush()
            well &= line.ok
        return well

    logging.disable(logging.CRITICAL)
    return 0 if asyncio.run(lines()) else 1


def _backup(chosen: argparse.Namespace) -> int:
    config = load(chosen.config, os.environ)
    from opsbot.backups import backup  # noqa: PLC0415 - the other commands start faster without it

    sys.stdout.write(backup(config, os.environ, chosen.file) + "\n")
    return 0


def _restore(chosen: argparse.Namespace) -> int:
    config = load(chosen.config, os.environ)
    from opsbot.backups import restore  # noqa: PLC0415 - the other commands start faster without it

    sys.stdout.write(restore(config, os.environ, chosen.file) + "\n")
    return 0


def _policy(chosen: argparse.Namespace) -> int:
    config = load(chosen.config, os.environ)
    from opsbot import plugins  # noqa: PLC0415 - the other commands start faster without these
    from opsbot.config.expectations import read_expectations  # noqa: PLC0415
    from opsbot.expected import judge  # noqa: PLC0415
    from opsbot.rulebook import Rulebook  # noqa: PLC0415

    loaded = plugins.load(plugins.home(), *map(Path, config.plugins))
    book = Rulebook(config=config, commands=loaded.commands, problems=loaded.problems)
    lines = list(judge(book, read_expectations(chosen.file)))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if all(line.ok for line in lines) else 1


def _history(chosen: argparse.Namespace) -> int:
    from opsbot.history import history  # noqa: PLC0415 - the other commands start faster without it

    return asyncio.run(history(chosen.config, os.environ, as_json=chosen.json, verify=chosen.verify))


def _commands(chosen: argparse.Namespace) -> int:
    from opsbot import plugins  # noqa: PLC0415 - the other commands start faster without it

    loaded = plugins.load(plugins.home(), *chosen.folders)
    commands = sorted(loaded.commands.values(), key=lambda one: (one.needs, one.name))
    sys.stdout.write(_page(commands) if chosen.markdown else _table(commands) + _others(loaded))
    sys.stderr.writelines(f"opsbot: {problem}\n" for problem in loaded.problems)
    return 1 if loaded.problems else 0


def _new(chosen: argparse.Namespace) -> int:
    from opsbot.new import write_plugin, write_project  # noqa: PLC0415 - the other commands start faster without them

    if chosen.what == "project":
        made = write_project(chosen.name, chosen.folder)
        sys.stdout.write(f"{made}\nTry it: cd {made} && python3 -m unittest discover src\nThen read README.md there.\n")
        return 0
    plugin, test = write_plugin(chosen.name, chosen.folder)
    sys.stdout.write(f"{plugin}\n{test}\nTry it: pytest {test}\n")
    return 0


def _table(commands: Sequence["Command"]) -> str:
    width = max((len(one.usage) for one in commands), default=0)
    rows = (f"{one.usage:<{width}}  {str(one.needs) if one.needs else '':<11}  {one.summary}" for one in commands)
    return "".join(f"{row}\n" for row in rows)


def _others(loaded: "Loaded") -> str:
    schedules = [f"{one.name}  at {one.cron}  {one.summary}" for one in loaded.schedules.values()]
    hooks = [f"{one.name}  at /hooks/{one.name}  {one.summary}" for one in loaded.hooks.values()]
    return "".join(f"{row}\n" for row in (*schedules, *hooks))


def _page(commands: Sequence["Command"]) -> str:
    parts = ["# Commands", "This page is made by `opsbot commands --markdown`; the words are those of `!help`."]
    for one in commands:
        who = f"the level {one.needs} and above" if one.needs else "everybody"
        also = f" Also: {', '.join(f'`!{alias}`' for alias in one.aliases)}." if one.aliases else ""
        parts += [f"## {one.name}", f"`!{one.usage}`", one.help, f"For {who}.{also}"]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
