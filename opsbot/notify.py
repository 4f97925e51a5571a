"""What systemd wants to hear of its service; without systemd, nothing happens."""

import os
import socket


def ready() -> None:
    """Say that the bot is up: the configuration is good and the database is open."""
    _send("READY=1")


def watchdog() -> None:
    """Say that the loops still turn."""
    _send("WATCHDOG=1")


def stopping() -> None:
    """Say that the bot is on its way down."""
    _send("STOPPING=1")


def status(text: str) -> None:
    """Say in one line what the bot does; `systemctl status` shows it."""
    _send("STATUS=" + " ".join(text.split()))


def watchdog_seconds() -> float | None:
    """Return how often systemd wants to hear from this process, in seconds; None when it does not."""
    period, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not period.isdecimal() or int(period) == 0 or (process and process != str(os.getpid())):
        return None
    return int(period) / 1_000_000


def _send(words: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as link:
            link.sendto(words.encode(), address)
    except OSError:
        # systemd away or its queue full: neither is a reason to stop working.
        return
