"""The words of the configuration: each has a grammar, and a sentence for those who miss it."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator

from opsbot.config.places import endpoint, listen, misnamed
from opsbot.hours import Hours
from opsbot.model import Level
from opsbot.typed import LONGEST

#: What a host key may be; the first word of the line that `ssh-keyscan` prints after the name.
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


def _word(pattern: str, sentence: str) -> AfterValidator:
    shape = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        # What nobody sees is in no name: it would make two that look alike, or turn a line around.
        if not shape.fullmatch(value) or not value.isprintable():
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


def _number(low: int, high: int) -> BeforeValidator:
    def check(value: object) -> int:
        # YAML reads "yes" as true, which Python would take for 1.
        if isinstance(value, int | str) and not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,9}", str(value)):
            number = int(value)
            if low <= number <= high:
                return number
        message = f"must be a whole number from {low} to {high}."
        raise ValueError(message)

    return BeforeValidator(check)


def _level(value: object) -> Level:
    names = {str(level): level for level in Level if level is not Level.STRANGER}
    if isinstance(value, str) and value in names:
        return names[value]
    if isinstance(value, Level) and value in names.values():
        return value
    raise ValueError("must be one of: " + ", ".join(names) + ".")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be the name of a time zone, like Europe/Paris or UTC.") from None
    return value


def _host_key(value: str) -> str:
    sentence = (
        "must be the host's public key, two words like `ssh-ed25519 AAAA…`, from its /etc/ssh/ssh_host_ed25519_key.pub."
    )
    kind, _, rest = value.strip().partition(" ")
    data = rest.strip().partition(" ")[0]
    try:
        blob = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(sentence) from None
    if kind not in KEY_TYPES or not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise ValueError(sentence)
    return f"{kind} {data}"


def _database(value: str) -> str:
    if re.search(r"^[a-z0-9+]+://[^/@]*:[^/]*@|[?&]password=", value):
        raise ValueError("must not hold a password: name its credential in database_password_file.")
    if value.startswith("sqlite:////") or re.match(r"postgresql(\+psycopg)?://[^/?#\s]*/[^/?#\s]+(\?\S*)?$", value):
        return value
    raise ValueError(
        "must be like sqlite:////var/lib/opsbot-bot/opsbot.db or like postgresql://opsbot@db.example.org/opsbot."
    )


def _path(value: str) -> str:
    if not value.startswith("/") or not value.isprintable():
        raise ValueError("must be an absolute path; it begins with a slash.")
    return value


def _word_of(value: object) -> Level:
    return Level.STRANGER if value == "none" else _level(value)


def _hours(value: object) -> Hours:
    if not isinstance(value, str):
        raise ValueError("must be text, like `mon-fri 08:00-18:00`; put it in quotes.")  # noqa: TRY004 - a value error is what is told
    return Hours.parse(value)


def _commands(value: object) -> object:
    """Take `all`, one name, or a list of names; no names mean all."""
    if isinstance(value, str):
        return () if value == "all" else (value,)
    if value in ([], ()):
        raise ValueError("must name commands, or all.")
    return value


def unlike(problem: Callable[[str], str | None]) -> AfterValidator:
    """Refuse a value for which PROBLEM gives a sentence."""

    def check(value: str) -> str:
        if sentence := problem(value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


NAME = r"[A-Za-z][A-Za-z0-9_-]{0,62}"

Account = Annotated[
    str, _word(r"@[^\s:@]+:[A-Za-z0-9.\[\]:-]+", "must be a full Matrix id, with its server: @name:example.org.")
]
Room = Annotated[
    str,
    _word(r"[!#][^\s]+", "must be a room's id (!…) or its alias with the server (#ops:example.org)."),
    unlike(lambda room: None if ":" in room or room[0] == "!" else "must have its server: #ops:example.org."),
]
#: Where something is said: a room, or a channel of Slack by its name there or its id.
SaidIn = Annotated[
    str,
    _word(
        r"[!#][^\s]+|[CG][A-Z0-9]{2,20}",
        "must be a room's id (!…), its alias with the server (#ops:example.org), or a channel of Slack (#ops, C0OPS).",
    ),
]
Address = Annotated[
    str,
    _word(r"[A-Za-z0-9._:-]+", "must be a host name or an IP address, without a port."),
    unlike(misnamed),
]
WebAddress = Annotated[
    str,
    _word(r"https?://[^\s/?#@]+([/?#][^\s]*)?", "must begin with http:// or https:// and hold no password."),
    unlike(misnamed),
]
Secret = Annotated[
    str,
    _word(r"[A-Za-z0-9._@+-]{1,64}", "must be the name of a file among the credentials, not a path or the secret."),
    unlike(lambda name: "must be the name of a file, not a folder." if set(name) == {"."} else None),
]
SlackMember = Annotated[str, _word(r"[UW][A-Z0-9]{2,20}", "must be a Slack member id, in capitals, like U034CD.")]
SlackChannel = Annotated[
    str,
    _word(r"[CG][A-Z0-9]{2,20}|all", "must be a Slack channel id, in capitals, like C0OPS; or all, for every channel."),
]
SlackChannelId = Annotated[
    str, _word(r"[CG][A-Z0-9]{2,20}", "must be the id of one Slack channel, in capitals, like C0TEST.")
]
SlackTeam = Annotated[str, _word(r"[TE][A-Z0-9]{2,20}", "must be a Slack team id, in capitals, like T0TEAM.")]
Prefix = Annotated[
    str,
    _word(r"[!-/:-@\[-`{-~]{1,3}", "must be one to three marks, like ! or !!, neither letters nor spaces."),
    unlike(lambda mark: "must not begin with a slash: chat programs keep those." if mark.startswith("/") else None),
]
Unit = Annotated[
    str, _word(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]*\.(service|socket|timer|target|mount)", "must be a unit: nginx.service.")
]
User = Annotated[str, _word(r"[a-z_][a-z0-9_-]{0,31}", "must be the name of a system user.")]
Repository = Annotated[str, _word(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", "must be owner/name, like team/ops-jrz1.")]
Branch = Annotated[str, _word(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}", "must be the name of a branch.")]
VersionPlace = Annotated[
    str,
    _word(
        r"header:[A-Za-z0-9-]+|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*",
        "must be keys of the JSON answer, like server.version, or a header of it, like header:Server.",
    ),
]
Zone = Annotated[str, AfterValidator(_zone)]
HostKey = Annotated[str, AfterValidator(_host_key)]
Endpoint = Annotated[str, endpoint()]
TlsEndpoint = Annotated[str, endpoint(443)]
Listen = Annotated[str, AfterValidator(listen)]
Database = Annotated[str, AfterValidator(_database)]
Folder = Annotated[str, AfterValidator(_path)]
LevelName = Annotated[Level, BeforeValidator(_level)]
CommandName = Annotated[str, _word(r"[a-z][a-z-]{0,31}", "must be the name of a command, like deploy.")]
Option = Annotated[str, _word(r"force", "must be an option that takes a safeguard away: force.")]
Revisions = Annotated[
    str, _word(r"[A-Za-z0-9*?][A-Za-z0-9._/+*?-]{0,99}", "must be a branch or a tag, or a pattern like release-*.")
]
Reason = Annotated[str, _word(r"[^\x00-\x1f\x7f]{1,200}", "must be one line of at most 200 characters.")]
#: Whose word is needed: nobody's, or that of somebody of a level.
WordOf = Annotated[Level, BeforeValidator(_word_of)]
OpenHours = Annotated[Hours, BeforeValidator(_hours)]
Expiry = Annotated[int, _number(60, 604800)]
Waiting = Annotated[int, _number(0, 86400)]
Commands = Annotated[tuple[CommandName, ...], BeforeValidator(_commands)]
Rate = Annotated[int, _number(1, 100_000)]
Characters = Annotated[int, _number(100, LONGEST)]
Port = Annotated[int, _number(1, 65535)]
Window = Annotated[int, _number(30, 3600)]
Status = Annotated[int, _number(100, 599)]
TriggerName = Annotated[
    str, _word(r"[a-z][a-z0-9-]{0,62}", "is no name: a small letter, then small letters, digits and dashes.")
]
ProjectName = Annotated[
    str,
    _word(r"[a-z][a-z0-9_-]{0,62}", "is no project's name: a small letter, then small letters, digits, - and _."),
    unlike(lambda name: "is taken: it means the host's own configuration." if name == "platform" else None),
]
#: A project, or the platform: where both are meant.
RuledProject = Annotated[str, _word(NAME, "is no name: a letter, then letters, digits, - and _.")]
Name = Annotated[str, _word(NAME, "is no name: a letter, then letters, digits, - and _.")]
