"""From a function of a plugin to what calls it."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from opsbot.commands import CONTEXT
from opsbot.errors import OpsbotError
from opsbot.model import Text
from opsbot.render.text import fit, join, words

#: Seconds that the function of a schedule or a hook may take.
LONGEST = 60
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")

Function = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A function of a plugin, and what calls it."""

    name: str
    function: Function
    help: str
    wants_context: bool
    #: The file that it is in, without its ending.
    plugin: str

    @property
    def summary(self) -> str:
        """The first line of the help."""
        return self.help.splitlines()[0]

    async def said(self, context: object) -> Text | None:
        """Call the function; return what it has to say, if anything. Raises what it raises."""
        try:
            async with asyncio.timeout(LONGEST):
                result = await (self.function(ctx=context) if self.wants_context else self.function())
        except TimeoutError:
            raise OpsbotError(f"`{self.name}` took longer than {LONGEST} s, so I stopped it.") from None
        match result:
            case None | "":
                return None
            case str():
                return _fit(words(result))
            case Text():
                return _fit(result)
        raise TypeError(f"{self.name} must return a str, a Text or None, not {type(result).__name__}.")


@dataclass(frozen=True, kw_only=True)
class Schedule(Trigger):
    """A function that is called at certain times."""

    #: Five fields, in the zone of the configuration.
    cron: str
    #: The room that its plugin wants; empty for the first one of the configuration.
    room: str


@dataclass(frozen=True, kw_only=True)
class Hook(Trigger):
    """A function that is called by another program, over HTTP."""


def _fit(text: Text) -> Text:
    # The bridge takes commands from the bot's account: what others wrote must not begin like one.
    quiet = join("> ", text) if text.body.lstrip().startswith("!") else text
    return fit(quiet)


def shape(function: Function, *, name: str, plugin: str) -> dict[str, Any]:
    """Return what every trigger has, read from its function. Raises TypeError with what the function lacks."""
    if not _NAME.fullmatch(name):
        raise TypeError(f"{name!r} is no name: small letters, digits and dashes, a letter first.")
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{name}: it must be an `async def`.")
    if not (inspect.getdoc(function) or "").strip():
        raise TypeError(f"{name}: it needs a docstring that says what it does.")
    params = inspect.signature(function).parameters
    if extra := [one for one in params if one != CONTEXT]:
        raise TypeError(f"{name}: nobody gives it {', '.join(extra)}; its only parameter may be `{CONTEXT}`.")
    return {
        "name": name,
        "function": function,
        "help": inspect.getdoc(function) or "",
        "wants_context": CONTEXT in params,
        "plugin": plugin,
    }
