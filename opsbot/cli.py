"""The command line."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from opsbot import __version__
from opsbot.config import FILE_VARIABLE, load
from opsbot.errors import OpsbotError

#: Where the configuration is when nobody says otherwise.
CONFIG = "/etc/opsbot/config.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    chosen = parser().parse_args(arguments)
    try:
        status: int = chosen.do(chosen)
    except OpsbotError as error:
        sys.stderr.write(f"opsbot: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def parser() -> argparse.ArgumentParser:
    """Return what takes the command line apart."""
    whole = argparse.ArgumentParser(prog="opsbot", description="A chatops bot for a small team's NixOS platform.")
    whole.add_argument("--version", action="version", version=f"opsbot {__version__}")
    verbs = whole.add_subparsers(required=True, metavar="COMMAND")

    run = verbs.add_parser("run", help="run the bot until it is told to stop")
    run.set_defaults(do=_run)
    demo = verbs.add_parser("demo", help="try the bot on this machine; it leaves nothing behind")
    demo.add_argument("--script", type=Path, metavar="FILE", help="say these lines (`person: words`) and end")
    demo.set_defaults(do=_demo)
    check = verbs.add_parser("check", help="try everything that the configuration names")
    check.add_argument("--offline", action="store_true", help="only look at the file itself")
    check.set_defaults(do=_check)
    commands = verbs.add_parser("commands", help="list what can be said to the bot")
    commands.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="further folders of commands")
    commands.set_defaults(do=_commands)

    place = os.environ.get(FILE_VARIABLE, CONFIG)
    for one in (run, check):
        one.add_argument("--config", type=Path, default=Path(place), metavar="FILE", help=f"instead of {place}")
    return whole


def _run(chosen: argparse.Namespace) -> int:
    config = load(chosen.config, os.environ)
    from opsbot import app  # noqa: PLC0415 - a wrong configuration is told without it, and so at once

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    return asyncio.run(app.main(config, os.environ))


def _demo(chosen: argparse.Namespace) -> int:
    from opsbot.demo.play import demo  # noqa: PLC0415 - its packages are optional

    return asyncio.run(demo(chosen.script))


def _check(chosen: argparse.Namespace) -> int:
    from opsbot.check import check  # noqa: PLC0415 - the other commands start faster without it

    async def lines() -> bool:
        well = True
        async for line in check(chosen.config, os.environ, offline=chosen.offline):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            well &= line.ok
        return well

    logging.disable(logging.CRITICAL)
    return 0 if asyncio.run(lines()) else 1


def _commands(chosen: argparse.Namespace) -> int:
    from opsbot import plugins  # noqa: PLC0415 - as above

    commands = sorted(plugins.load(plugins.home(), *chosen.folders).values(), key=lambda one: (one.needs, one.name))
    width = max((len(one.usage) for one in commands), default=0)
    for one in commands:
        sys.stdout.write(f"{one.usage:<{width}}  {str(one.needs) if one.needs else '':<11}  {one.summary}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
