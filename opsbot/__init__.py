"""opsbot: what a plugin may import.

The names are looked up on first use, so that `opsbot.onhost` runs on a host that has none of the bot's libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsbot.context import Context as Context
    from opsbot.context import Delivery as Delivery
    from opsbot.context import Tick as Tick
    from opsbot.errors import OpsbotError as OpsbotError
    from opsbot.errors import RefusedError as RefusedError
    from opsbot.errors import StorageError as StorageError
    from opsbot.errors import UsageError as UsageError
    from opsbot.jobs.requests import Deploy as Deploy
    from opsbot.jobs.requests import Publish as Publish
    from opsbot.jobs.requests import Rollback as Rollback
    from opsbot.model import Job as Job
    from opsbot.model import Text as Text
    from opsbot.plugins import command as command
    from opsbot.plugins import hook as hook
    from opsbot.plugins import schedule as schedule
    from opsbot.ports import Storage as Storage
    from opsbot.words import LAST_PROVED as LAST_PROVED
    from opsbot.words import MAIN as MAIN
    from opsbot.words import NO_WORDS as NO_WORDS
    from opsbot.words import PLATFORM as PLATFORM
    from opsbot.words import Project as Project
    from opsbot.words import Revision as Revision
    from opsbot.words import Target as Target
    from opsbot.words import Unit as Unit
    from opsbot.words import Words as Words

__version__ = "0.1.0"

_HOMES = {
    "Context": "context",
    "Delivery": "context",
    "Tick": "context",
    "OpsbotError": "errors",
    "RefusedError": "errors",
    "StorageError": "errors",
    "UsageError": "errors",
    "Deploy": "jobs.requests",
    "Publish": "jobs.requests",
    "Rollback": "jobs.requests",
    "Job": "model",
    "Text": "model",
    "command": "plugins",
    "hook": "plugins",
    "schedule": "plugins",
    "Storage": "ports",
    "LAST_PROVED": "words",
    "MAIN": "words",
    "NO_WORDS": "words",
    "PLATFORM": "words",
    "Project": "words",
    "Revision": "words",
    "Target": "words",
    "Unit": "words",
    "Words": "words",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"opsbot has no {name!r}.")
    return getattr(import_module(f"opsbot.{_HOMES[name]}"), name)


__all__ = [  # noqa: PLE0604, RUF100 - what authors may use; the names come by __getattr__
    "LAST_PROVED",
    "MAIN",
    "NO_WORDS",
    "PLATFORM",
    "Context",
    "Delivery",
    "Deploy",
    "Job",
    "OpsbotError",
    "Project",
    "Publish",
    "RefusedError",
    "Revision",
    "Rollback",
    "Storage",
    "StorageError",
    "Target",
    "Text",
    "Tick",
    "Unit",
    "UsageError",
    "Words",
    "command",
    "hook",
    "schedule",
]
