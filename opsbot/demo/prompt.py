"""The demo for a person: a prompt to talk in the room, where the report of a running job is kept in place below."""

import asyncio
import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from opsbot.demo.conversation import Conversation, Exchange
from opsbot.demo.script import shown
from opsbot.demo.stage import TEAM, Stage

#: Seconds for which an answer is watched, and those after which talk is taken to have none.
_WITHIN = 900.0
_TALK = 5.0

WELCOME = """
You are in a room with opsbot, as `deployer`. Try first:

  !hello                    it answers
  !status                   how everything is
  !deploy hello-bot         a commit becomes a generation
  !deploy hello-bot broken  a bad one undoes itself
  !rollback                 the generation before

/as admin speaks as somebody else ({team}); !help lists the commands; Ctrl-D ends, and leaves nothing behind.
"""


class Prompt:
    """A person at the terminal."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._conversation = Conversation(stage)
        self._name = "deployer"
        self._open: dict[object, str] = {}
        self._session: PromptSession[str] = PromptSession()

    async def run(self) -> int:
        """Take lines until Ctrl-D; return 0."""
        sys.stdout.write(WELCOME.format(team=", ".join(TEAM)) + "\n")
        with patch_stdout():
            tasks: set[asyncio.Task[None]] = set()
            while (line := await self._line()) is not None:
                if line.startswith("/"):
                    self._order(line)
                elif line:
                    task = asyncio.create_task(self._say(self._name, line))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            for task in tasks:
                task.cancel()
        return 0

    async def _line(self) -> str | None:
        try:
            typed = await self._session.prompt_async(
                lambda: f"{self._name}> ", bottom_toolbar=self._toolbar, refresh_interval=0.5
            )
        except (EOFError, KeyboardInterrupt):
            return None
        return typed.strip()

    def _toolbar(self) -> str | None:
        return "\n".join(self._open.values()) or None

    def _order(self, line: str) -> None:
        match line.split():
            case ["/as", name] if name in TEAM:
                self._name = name
            case ["/log"]:
                print(self._stage.log.read_text(errors="replace")[-4000:])  # noqa: T201 - the terminal is what this is for
            case _:
                print(f"There is /as NAME ({', '.join(TEAM)}) and /log. Commands begin with an exclamation mark.")  # noqa: T201 - as above

    async def _say(self, name: str, words: str) -> None:
        key = object()

        def show(exchange: Exchange) -> None:
            if exchange.runs:
                self._open[key] = shown(exchange)

        within = _WITHIN if words.startswith("!") or "opsbot" in words.lower() else _TALK
        try:
            exchange = await self._conversation.ask(name, words, within=within, show=show)
        finally:
            self._open.pop(key, None)
        if exchange.answers or within == _WITHIN:
            print(shown(exchange) if exchange.answers else "(no answer)")  # noqa: T201 - as above
