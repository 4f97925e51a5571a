"""What goes wrong when somebody at the demo's prompt wants to see it: a crash, a lost homeserver, a cut line."""

import asyncio
from collections.abc import Callable, Coroutine

from opsbot.demo.homeserver import Homeserver
from opsbot.demo.stage import Stage
from opsbot.errors import BusyError, OpsbotError, UsageError
from opsbot.standin.machine import Machine

#: Seconds until what was killed is started again; the bot's unit has the same.
_RESTART = 5.0
#: Seconds for which the host cannot be reached when nobody says how many, and the most.
_CUT, _LONGEST = 20, 600

HELP = f"""\
/kill bot         the bot dies, as by kill -9; it is started again after {_RESTART:.0f} s
/kill homeserver  the same for the homeserver: nobody can talk meanwhile
/cut host [N]     SSH to the host is cut for N seconds, else {_CUT}; what runs there goes on"""


class Troubles:
    """Breaks a stage on demand, and SAYs what it does; everything is mended after a while by itself."""

    def __init__(self, stage: Stage, homeserver: Homeserver, machine: Machine, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._homeserver = homeserver
        self._machine = machine
        self._say = say
        #: What is broken at the moment.
        self._broken: dict[str, asyncio.Task[None]] = {}

    def order(self, line: str) -> None:
        """Begin what a LINE asks for. Raises UsageError and BusyError."""
        match line.split():
            case ["/kill", "bot"]:
                self._begin("bot", self._kill_bot())
            case ["/kill", "homeserver"]:
                self._begin("homeserver", self._kill_homeserver())
            case ["/kill", *what]:
                raise UsageError(f"{_no_such(what, 'kill')} There is `/kill bot` and `/kill homeserver`.")
            case ["/cut", "host", *seconds]:
                self._begin("host", self._cut_host(_seconds(seconds)))
            case ["/cut", *what]:
                raise UsageError(f"{_no_such(what, 'cut')} There is `/cut host`, or `/cut host {_CUT}`.")
            case _:
                raise UsageError(f"There is no `{line}`; `/help` lists what there is.")

    def _begin(self, what: str, trouble: Coroutine[None, None, None]) -> None:
        if what in self._broken:
            trouble.close()
            raise BusyError(f"The {what} is away already; it will be back by itself.")
        task = asyncio.create_task(self._see_through(trouble))
        self._broken[what] = task
        task.add_done_callback(lambda _: self._broken.pop(what))

    async def _see_through(self, trouble: Coroutine[None, None, None]) -> None:
        try:
            await trouble
        except OpsbotError as error:
            self._say(f"(not mended: {error})")

    async def _kill_bot(self) -> None:
        self._say(f"(the bot is killed; it is started again in {_RESTART:.0f} s)")
        await self._stage.kill_bot()
        await asyncio.sleep(_RESTART)
        await self._stage.start_bot()
        self._say("(the bot runs again)")

    async def _kill_homeserver(self) -> None:
        self._say(f"(the homeserver is killed; it is started again in {_RESTART:.0f} s)")
        await self._homeserver.kill()
        await asyncio.sleep(_RESTART)
        await self._homeserver.start()
        self._say("(the homeserver runs again)")

    async def _cut_host(self, seconds: int) -> None:
        self._say(f"(the host cannot be reached any more, for {seconds} s)")
        await self._machine.cut()
        await asyncio.sleep(seconds)
        await self._machine.heal()
        self._say("(the host can be reached again)")

    async def close(self) -> None:
        """Stop whatever goes on; nothing is mended any more."""
        tasks = list(self._broken.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _no_such(what: list[str], verb: str) -> str:
    return f"There is no {' '.join(what)} here to {verb}." if what else f"What shall I {verb}?"


def _seconds(words: list[str]) -> int:
    match words:
        case []:
            return _CUT
        case [number] if number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= _LONGEST:
            return int(number)
        case _:
            raise UsageError(f"Say for how many seconds, from 1 to {_LONGEST}: `/cut host {_CUT}`.")
