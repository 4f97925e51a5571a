"""Everything that commands and jobs work with, in one place; put together once, in app.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opsbot.happened import Listener, nobody
from opsbot.ports import (
    Audit,
    Chat,
    Clock,
    Deliveries,
    Engine,
    Forge,
    Host,
    Inbox,
    Jobs,
    Outbox,
    Outside,
    Slack,
    Storage,
)
from opsbot.rulebook import Rulebook
from opsbot.triggers.functions import Hook, Schedule


@dataclass(frozen=True, kw_only=True)
class Site(Rulebook):
    """The configuration, the commands, and the world behind its ports."""

    hosts: Mapping[str, Host]
    inbox: Inbox
    ledger: Jobs
    outbox: Outbox
    audit: Audit
    chat: Chat
    outside: Outside
    forge: Forge | None
    #: The way to Slack, if there is a bridge that can be asked.
    slack: Slack | None = None
    engine: Engine
    clock: Clock
    #: What plugins do at certain times, by name.
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    #: What other programs may call, by name.
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    deliveries: Deliveries
    #: Gives what the plugin of a name remembers.
    storage: Callable[[str], Storage]
    #: Hears what happens.
    tell: Listener = nobody
