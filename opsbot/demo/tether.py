"""Run a Python module until it ends or its parent does: `python tether.py MODULE ARGUMENT…`, parent's pipe as stdin."""

import os
import runpy
import sys
import threading


def _follow_parent() -> None:
    # A pipe closes however the parent dies, on every system.
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_follow_parent, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
