"""What keeps the process small and quick to start. Each measure, and what it saves, is in docs/decisions/memory.md."""

import contextlib
import ctypes
import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class Deferred(ModuleType):
    """Stands for a module until somebody wants something of it, and passes that on to the module itself."""

    def __getattr__(self, name: str) -> Any:
        """Import the module, and return what it has under a name."""
        if name.startswith("__"):
            raise AttributeError(name)  # how Python looks a module over; nobody uses it by that
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Let whoever imports these modules meanwhile, parents first, have them when they are first used.

    Afterwards everybody else imports the modules themselves. One that is imported already stays as it is.
    """
    stand_ins = {name: Deferred(name) for name in names if name not in sys.modules}
    for name, module in stand_ins.items():
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent in stand_ins:
            setattr(stand_ins[parent], child, module)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@contextmanager
def loading() -> Iterator[None]:
    """Import what stays for ever: the garbage collector looks at it neither meanwhile nor ever again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def give_back() -> None:
    """Give the system what was needed only for the start; the C library would keep it."""
    with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
