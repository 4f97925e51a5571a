"""What one key demands of another. These read the plain values, so that they speak even where others are wrong."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from opsbot.config.source import Path

#: A path and a sentence.
Finding = tuple[Path, str]


def findings(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield everything that is wrong between the keys of a configuration."""
    for check in _CHECKS:
        yield from check(data)


def _entries(data: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    """Return the named entries of a section that have keys at all."""
    found = data.get(section)
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


def _section(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _words(entry: Mapping[str, Any], key: str) -> list[str]:
    found = entry.get(key)
    return [word for word in found if isinstance(word, str)] if isinstance(found, list | tuple) else []


def _server(account: object) -> str:
    return account.partition(":")[2] if isinstance(account, str) else ""


def _login(data: Mapping[str, Any]) -> Iterator[Finding]:
    if "homeserver" not in data:
        return
    given = [key for key in ("token_file", "password_file") if _section(data, "homeserver").get(key)]
    if len(given) != 1:
        yield ("homeserver",), "must have either token_file or password_file, so that the bot can log in."


def _people(data: Mapping[str, Any]) -> Iterator[Finding]:
    for name, entry in _entries(data, "people").items():
        path = ("people", name)
        if not entry.get("accounts") and not entry.get("slack"):
            yield path, "has no account: give accounts, slack, or both."
        if entry.get("slack") and not _section(data, "bridge"):
            yield (*path, "slack"), "means nothing without a bridge: fill in `bridge`, or leave this out."
        if entry.get("projects") is not None and entry.get("level") in {"member", "contributor", "admin"}:
            yield (*path, "projects"), "only narrows what a deployer may do; this person is none."


def _same_account(data: Mapping[str, Any]) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for name, entry in _entries(data, "people").items():
        for key in ("accounts", "slack"):
            for account in dict.fromkeys(_words(entry, key)):
                if (owner := owners.setdefault(account, name)) != name:
                    yield ("people", name, key), f"{account} belongs to {owner} already; an account is one person's."


def _ghosts(data: Mapping[str, Any]) -> Iterator[Finding]:
    own = _section(data, "homeserver").get("user")
    bridge = _section(data, "bridge")
    for name, entry in _entries(data, "people").items():
        for account in _words(entry, "accounts"):
            path = ("people", name, "accounts")
            if account == own:
                yield path, f"{account} is the bot itself."
            elif account == bridge.get("bot"):
                yield path, f"{account} is the bridge itself, which is no person."
            elif bridge and account.startswith("@slack_") and _server(account) == _server(own):
                yield path, f"{account} is a ghost of the bridge: give the member id in `slack` instead."


def _hosts(data: Mapping[str, Any]) -> Iterator[Finding]:
    hosts = _entries(data, "hosts")
    marked = [name for name, entry in hosts.items() if entry.get("default") is True]
    for name in marked[1:]:
        yield ("hosts", name, "default"), f"{marked[0]} is the default already; there can be one."


def _names(data: Mapping[str, Any]) -> Iterator[Finding]:
    for section, key, wanted in (("projects", "host", "hosts"), ("services", "host", "hosts")):
        for name, entry in _entries(data, section).items():
            if isinstance(word := entry.get(key), str):
                yield from _missing((section, name, key), [word], wanted, _section(data, wanted))
    for section, key, wanted in (("people", "projects", "projects"), ("projects", "services", "services")):
        for name, entry in _entries(data, section).items():
            yield from _missing((section, name, key), _words(entry, key), wanted, _section(data, wanted))


def _zones(data: Mapping[str, Any]) -> Iterator[Finding]:
    for room in _section(data, "timezones"):
        yield from _rooms(("timezones", room), [room], data)


def _rooms(path: Path, words: Iterable[str], data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with the names of rooms and of channels of Slack."""
    channels = _words(_section(data, "bridge"), "channels")
    for word in words:
        if word[:1] == "!" or ":" in word:
            yield from _missing(path, [word], "rooms", dict.fromkeys(_words(data, "rooms")))
        elif not channels:
            yield path, f"{word} is a channel of Slack, and the bot listens in none: a room's alias has its server."
        elif word[:1] != "#" and "all" not in channels:
            yield from _missing(path, [word], "bridge.channels", dict.fromkeys(channels))


def _missing(path: Path, words: Iterable[str], section: str, known: Collection[str]) -> Iterator[Finding]:
    for word in words:
        if word not in known:
            near = get_close_matches(word, list(known), 1)
            hint = f"did you mean {near[0]}?" if near else "add it there, or take it out here."
            yield path, f"{word} is not among {section}; {hint}"


def _services(data: Mapping[str, Any]) -> Iterator[Finding]:
    many = len(_entries(data, "hosts")) > 1 and not any(e.get("default") for e in _entries(data, "hosts").values())
    for name, entry in _entries(data, "services").items():
        path = ("services", name)
        if not any(entry.get(key) for key in ("unit", "http", "tcp")):
            yield path, "has nothing to look at: give unit, http or tcp."
        if entry.get("http") and entry.get("tcp"):
            yield (*path, "tcp"), "is not needed beside http; leave one of the two out."
        for key in ("version", "expect"):
            if entry.get(key) and not entry.get("http"):
                yield (*path, key), "is read from an HTTP answer: give http too."
        if entry.get("unit") and many and not entry.get("host"):
            yield path, "needs a host: there are several, and none is the default."


def _bridge(data: Mapping[str, Any]) -> Iterator[Finding]:
    bot, user = _section(data, "bridge").get("bot"), _section(data, "homeserver").get("user")
    if isinstance(bot, str) and isinstance(user, str) and _server(bot) != _server(user):
        yield ("bridge", "bot"), f"must be on the bot's own server, {_server(user)}: ghosts are trusted only there."
    bridge = _section(data, "bridge")
    if bool(bridge.get("url")) != bool(bridge.get("secret_file")):
        yield ("bridge",), "must have both url and secret_file, to ask the bridge how it is, or neither."
    if bridge.get("test_channel") and not bridge.get("url"):
        yield (
            ("bridge", "test_channel"),
            "is of no use while the bridge cannot be asked: give url and secret_file, too.",
        )
    if bool(bridge.get("bot_token_file")) != bool(bridge.get("app_token_file")):
        yield ("bridge",), "must have both bot_token_file and app_token_file, for `opsbot slack login`, or neither."


def _rules(data: Mapping[str, Any]) -> Iterator[Finding]:
    rules = data.get("rules")
    for number, entry in enumerate(rules if isinstance(rules, list) else []):
        if not isinstance(entry, dict):
            continue
        path: Path = ("rules", number)
        if ("allow" in entry) == ("deny" in entry):
            yield path, "must either allow or deny."
        if "allow" in entry and not entry.get("people") and not entry.get("levels"):
            yield path, "must name people or levels: nothing is allowed to everybody."
        yield from _terms(path, entry, data)
        yield from _terms((*path, "unless"), _section(entry, "unless"), data)
        if "deny" in entry and _section(entry, "unless").get("options"):
            yield (*path, "unless", "options"), "excuses nobody: what is denied is so with every option; leave it out."


def _approvals(data: Mapping[str, Any]) -> Iterator[Finding]:
    approvals = _section(data, "approvals")
    alone, expires = (_seconds(approvals.get(key), usual) for key, usual in (("alone", -1), ("expires", 3600)))
    if alone >= expires:
        yield ("approvals", "alone"), f"never comes: a request has expired after {expires} s; let it be less than that."


def _seconds(value: object, usual: int) -> int:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else usual


def _audit_room(data: Mapping[str, Any]) -> Iterator[Finding]:
    if isinstance(room := data.get("audit_room"), str):
        yield from _missing(("audit_room",), [room], "rooms", dict.fromkeys(_words(data, "rooms")))


def _periods(data: Mapping[str, Any]) -> Iterator[Finding]:
    for section in ("deploy_windows", "embargoes"):
        entries = data.get(section)
        for number, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict):
                yield from _terms((section, number), entry, data)


def _terms(path: Path, terms: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _rooms((*path, "rooms"), _words(terms, "rooms"), data)
    for key, more in {"people": {}, "hosts": {}, "projects": {"platform": None}}.items():
        yield from _missing((*path, key), _words(terms, key), key, more | _section(data, key))


def _triggers(data: Mapping[str, Any]) -> Iterator[Finding]:
    if data.get("hooks") and not data.get("listen"):
        yield ("hooks",), "cannot be called while the bot listens nowhere: fill in `listen`, or leave this out."
    for section in ("schedules", "hooks"):
        for name, entry in _entries(data, section).items():
            if isinstance(room := entry.get("room"), str):
                yield from _missing((section, name, "room"), [room], "rooms", _words(data, "rooms"))


def _database(data: Mapping[str, Any]) -> Iterator[Finding]:
    if data.get("database_password_file") and str(data.get("database", "sqlite:")).startswith("sqlite:"):
        yield ("database_password_file",), "means nothing for a file of SQLite; leave it out."


_CHECKS = (
    _login,
    _people,
    _same_account,
    _ghosts,
    _hosts,
    _names,
    _zones,
    _services,
    _bridge,
    _rules,
    _approvals,
    _periods,
    _audit_room,
    _triggers,
    _database,
)
