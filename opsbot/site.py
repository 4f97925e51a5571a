"""Everything that commands and jobs work with, in one place; put together once, in app.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opsbot.happened import Listener, nobody
from opsbot.ports import Chat, Clock, Engine, Forge, Host, Inbox, Jobs, Outbox, Outside, Storage
from opsbot.rulebook import Rulebook


@dataclass(frozen=True, kw_only=True)
class Site(Rulebook):
    """The configuration, the commands, and the world behind its ports."""

    hosts: Mapping[str, Host]
    inbox: Inbox
    ledger: Jobs
    outbox: Outbox
    chat: Chat
    outside: Outside
    forge: Forge | None
    engine: Engine
    clock: Clock
    #: Gives what the plugin of a name remembers.
    storage: Callable[[str], Storage]
    #: Hears what happens.
    tell: Listener = nobody
