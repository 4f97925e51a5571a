"""The demo for a person: a prompt to talk in the room, where the report of a running job is kept in place below."""

import asyncio
import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from opsbot.demo.asides import follow
from opsbot.demo.conversation import Conversation, Exchange
from opsbot.demo.homeserver import Homeserver
from opsbot.demo.projects import Projects
from opsbot.demo.script import shown, spoken
from opsbot.demo.speaker import SpeakerError
from opsbot.demo.stage import TEAM, Stage
from opsbot.demo.terminal import folded
from opsbot.demo.troubles import HELP, Troubles
from opsbot.errors import OpsbotError
from opsbot.standin.machine import Machine

#: Seconds for which an answer is watched, and those after which talk is taken to have none.
_WITHIN = 900.0
_TALK = 5.0
#: What ends the demo; Ctrl-D stands for the first.
_END = ("/quit", "/exit")

WELCOME = """
You are in a room with opsbot, as `deployer`. Try first:

  !hello                    it answers
  !status                   how everything is
  !deploy hello-bot         a commit becomes a generation
  !deploy hello-bot broken  a bad one undoes itself
  !rollback                 the generation before

And while a deploy runs, break something: /kill bot, /kill homeserver, /cut host.
It goes on, and tells you the end.

  !help                     the commands
  /help                     what else there is at this prompt
  /as admin                 speak as somebody else: {team}
  /project PATH             bring a project of yours
  Ctrl-D                    end, and leave nothing behind
"""
_HELP = f"""\
/as NAME          speak as somebody else: {", ".join(TEAM)}
/project PATH     push what is in a folder; a new one joins the platform by two lines
/log              the end of the bot's log
{HELP}
/quit, Ctrl-D     end all of it
Anything else is said in the room; commands begin with an exclamation mark, like !help."""
_TO_NOBODY = "(said in the room. opsbot hears what begins with an exclamation mark, like !help; Ctrl-D ends the demo.)"
_NOT_THE_END = "(Ctrl-D ends the demo.)"


class Prompt:
    """A person at the terminal."""

    def __init__(self, stage: Stage, homeserver: Homeserver, machine: Machine) -> None:
        self._stage = stage
        self._conversation = Conversation(stage)
        self._projects = Projects(stage, homeserver, machine, _print)
        self._troubles = Troubles(stage, homeserver, machine, _print)
        self._name = "deployer"
        #: Whether somebody was told that talk is no command.
        self._knows = False
        self._open: dict[object, str] = {}
        self._session: PromptSession[str] = PromptSession()

    async def run(self) -> int:
        """Take lines until Ctrl-D; return 0."""
        sys.stdout.write(WELCOME.format(team=", ".join(TEAM)) + "\n")
        with patch_stdout():
            tasks = {asyncio.create_task(follow(self._stage, _told))}
            while (line := await self._line()) not in _END:
                if line.startswith("/"):
                    self._order(line)
                elif line:
                    task = asyncio.create_task(self._say(self._name, line))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            for task in tasks:
                task.cancel()
            await self._troubles.close()
            await self._projects.close()
        return 0

    async def _line(self) -> str:
        try:
            typed = await self._session.prompt_async(
                lambda: f"{self._name}> ", bottom_toolbar=self._toolbar, refresh_interval=0.5, handle_sigint=False
            )
        except EOFError:
            return _END[0]
        except KeyboardInterrupt:
            # As in a shell: what was typed is taken back, and the world stands.
            _print(_NOT_THE_END)
            return ""
        return typed.strip()

    def _toolbar(self) -> str | None:
        return folded("\n".join(self._open.values())) or None

    def _order(self, line: str) -> None:
        match line.split():
            case ["/as", name] if name in TEAM:
                self._name = name
            case ["/as", *_]:
                _print(f"Say who speaks: /as NAME, one of {', '.join(TEAM)}.")
            case ["/project"]:
                _print("Say which folder it is in: /project PATH.")
            case ["/project", *_]:
                self._projects.begin(line.removeprefix("/project").strip())
            case ["/log"]:
                _print(self._stage.log.read_text(errors="replace")[-4000:])
            case ["/help"]:
                _print(_HELP)
            case _:
                try:
                    self._troubles.order(line)
                except OpsbotError as error:
                    _print(str(error))

    async def _say(self, name: str, words: str) -> None:
        key = object()

        def show(exchange: Exchange) -> None:
            if exchange.runs:
                self._open[key] = shown(exchange)

        within = _WITHIN if words.startswith("!") or "opsbot" in words.lower() else _TALK
        try:
            exchange = await self._conversation.ask(name, words, within=within, show=show)
        except SpeakerError as error:
            _print(f"(not said: {error})")
            return
        finally:
            self._open.pop(key, None)
        if exchange.answers or within == _WITHIN:
            _print(shown(exchange) if exchange.answers else "(no answer)")
        elif not self._knows:
            self._knows = True
            _print(_TO_NOBODY)


def _told(body: str) -> None:
    _print(spoken(body))


def _print(words: str) -> None:
    print(folded(words))  # noqa: T201 - the terminal is what this is for
