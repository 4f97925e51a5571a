"""What the programs of the stand-in machine say to its init: one JSON line each way over a socket in its folder."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from opsbot.standin.errors import ControlError
from opsbot.standin.paths import Layout


class Address:
    """The address of a socket whose path may be longer than an address can be."""

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path.parent, os.O_DIRECTORY)
        self.text = f"/proc/self/fd/{self._folder}/{path.name}"

    def __enter__(self) -> str:
        return self.text

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)


def ask(layout: Layout, verb: str, **arguments: Any) -> Any:
    """Ask the init for VERB and wait for its answer. Raises ControlError if it says no or is away."""
    try:
        with Address(layout.socket) as address, socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            connection.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = json.loads(file.readline() or b"null")
    except OSError as error:
        raise ControlError("Failed to connect to bus: Connection refused", 1) from error
    if answer is None:
        raise ControlError("Connection to the service manager was lost", 1)
    if "error" in answer:
        raise ControlError(answer["error"], answer["status"])
    return answer["result"]
