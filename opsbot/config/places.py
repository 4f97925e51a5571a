"""Places in the network, as the configuration names them."""

import re
from ipaddress import ip_address

from pydantic import AfterValidator

#: Stands before an address off the loopback, so that nobody opens it by mistake.
PUBLIC = "public:"
_PLACE = "must be an address and a port, like 127.0.0.1:9464, or the absolute path of a socket."


def misnamed(value: str) -> str | None:
    """Return the sentence about a host's name that no network knows, like one with an empty part."""
    host = re.split(r"[/?#]", value.partition("://")[2] or value)[0]
    try:
        host.encode("idna")
    except UnicodeError:
        return "has a name that no host can have: between two dots stand 1 to 63 characters."
    return None


def endpoint(default_port: int | None = None) -> AfterValidator:
    """Return what takes a name and a port."""
    shape = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")

    def check(value: str) -> str:
        found = shape.fullmatch(value)
        port = int(found["port"] or default_port or 0) if found else 0
        if not found or not 1 <= port <= 65535:  # noqa: PLR2004 - the ports that there are
            raise ValueError("must be a name and a port, like example.org:443.")
        if sentence := misnamed(found["host"]):
            raise ValueError(sentence)
        return f"{found['host']}:{port}"

    return AfterValidator(check)


def listen(value: str) -> str:
    """Take the place where the bot's own pages are."""
    if value == "" or (value.startswith("/") and not value.endswith("/")):
        return value
    place = value.removeprefix(PUBLIC)
    found = re.fullmatch(r"(?P<host>\[[0-9a-fA-F:.]+\]|[0-9.]+|localhost):(?P<port>[0-9]{1,5})", place)
    if not found or int(found["port"]) > 65535:  # noqa: PLR2004 - the ports that there are
        raise ValueError(_PLACE)
    if place == value and not _on_loopback(found["host"].strip("[]")):
        raise ValueError(f"must be on the loopback: its pages ask nobody for a name. Else write {PUBLIC}{value}.")
    return place


def _on_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        raise ValueError(_PLACE) from None
